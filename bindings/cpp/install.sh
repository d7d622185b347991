#!/bin/sh
# Installs the C and C++ library: both headers, the shared library under its soname, the static one, a file for pkg-config
# and a package for CMake. The result may be moved as a whole.
set -eu

usage() {
    cat <<'TEXT'
Usage: bindings/cpp/install.sh [option...]

  --prefix DIR     where to install; /usr/local if not given
  --libdir DIR     where the libraries go, within the prefix: lib if not given, lib/x86_64-linux-gnu for instance
  --destdir DIR    a staging folder put before the prefix, for packagers
  --features LIST  features of the crate to build with: cuda, for instance
  --from DIR       takes libchreode.so and libchreode.a from DIR, instead of building them with cargo
  --no-strip       leaves the libraries as they were built: with debug information, several times as large
  --uninstall      removes what an installation to the same prefix wrote
TEXT
}

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

prefix=/usr/local libdir=lib destdir='' from='' features='' uninstall=no stripped=yes
while [ $# -gt 0 ]; do
    case $1 in
        --prefix | --libdir | --destdir | --from | --features)
            [ $# -ge 2 ] || fail "$1 needs a value"
            name=${1#--}
            eval "$name=\$2"
            shift 2
            ;;
        --prefix=* | --libdir=* | --destdir=* | --from=* | --features=*)
            name=${1#--}
            eval "${name%%=*}=\${1#*=}"
            shift
            ;;
        --no-strip) stripped=no && shift ;;
        --uninstall) uninstall=yes && shift ;;
        --help | -h) usage && exit 0 ;;
        *) usage >&2 && fail "unknown option $1" ;;
    esac
done
case $prefix in /*) ;; *) fail "the prefix must begin with /, got $prefix" ;; esac
case $libdir in /* | *..* | '') fail "libdir must be a folder within the prefix, got $libdir" ;; esac

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# No number is kept here: the version is Cargo's, and the number of the binary interface the header's.
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
abi=$(sed -n 's/^#define CHREODE_ABI_VERSION //p' "$root/include/chreode.h")
[ -n "$version" ] && [ -n "$abi" ] || fail "Cargo.toml tells no version, or chreode.h no CHREODE_ABI_VERSION"

stage=$destdir$prefix
manifest=share/chreode/installed-files

uninstall() {
    [ -f "$stage/$manifest" ] || fail "there is no $stage/$manifest"
    while IFS= read -r file; do
        rm -f "$stage/$file"
    done <"$stage/$manifest"
    # Folders that served nothing else.
    for folder in share/chreode "$libdir/cmake/chreode" "$libdir/.debug"; do
        rmdir "$stage/$folder" 2>/dev/null || true
    done
}

if [ "$uninstall" = yes ]; then
    uninstall
    exit 0
fi

if [ -z "$from" ]; then
    target=${CARGO_TARGET_DIR:-$root/target}
    cargo build --release --locked --lib --features "$features" --manifest-path "$root/Cargo.toml" --target-dir "$target"
    from=$target/release
fi

case $(uname -s) in
    Darwin)
        built=libchreode.dylib soname=libchreode.$abi.dylib real=libchreode.$abi.$version.dylib
        system=''
        ;;
    *)
        built=libchreode.so soname=libchreode.so.$abi real=libchreode.so.$abi.$version
        system='util rt pthread m dl'
        ;;
esac

mkdir -p "$stage/include" "$stage/$libdir/pkgconfig" "$stage/$libdir/cmake/chreode" "$stage/share/chreode"
: >"$stage/$manifest"

# installed FILE: remembers it.
installed() {
    echo "$1" >>"$stage/$manifest"
}

# copied MODE FROM FILE
copied() {
    install -m "$1" "$2" "$stage/$3"
    installed "$3"
}

# linked TO FILE
linked() {
    ln -sf "$1" "$stage/$2"
    installed "$2"
}

# filled TEMPLATE FILE: from the folder of FILE, the prefix is as many folders up as its path is deep.
filled() {
    up=$(dirname "$2" | sed 's/[^/][^/]*/../g')
    sed -e "s|@version@|$version|g" -e "s|@abi@|$abi|g" -e "s|@libdir@|$libdir|g" -e "s|@up@|$up|g" \
        -e "s|@real@|$real|g" -e "s|@soname@|$soname|g" \
        -e "s|@private@|$(echo "$system" | sed 's/[^ ][^ ]*/-l&/g')|g" \
        -e "s|@private_list@|$(echo "$system" | tr ' ' ';')|g" "$here/$1" >"$stage/$2"
    chmod 644 "$stage/$2"
    installed "$2"
}

# Debug information goes to a file of its own, where debuggers look for it; that of the static library is left out.
without_debug_information() {
    if ! command -v strip >/dev/null || ! command -v objcopy >/dev/null; then
        echo "install.sh: there is no strip or objcopy (binutils): the libraries keep their debug information" >&2
        return
    fi
    shared=$stage/$libdir/$real debug=$libdir/.debug/$real.debug
    mkdir -p "$stage/$libdir/.debug"
    objcopy --only-keep-debug "$shared" "$stage/$debug"
    chmod 644 "$stage/$debug"
    installed "$debug"
    strip --strip-unneeded "$shared"
    objcopy --add-gnu-debuglink="$stage/$debug" "$shared"
    strip --strip-debug "$stage/$libdir/libchreode.a"
}

copied 644 "$root/include/chreode.h" include/chreode.h
copied 644 "$root/include/chreode.hpp" include/chreode.hpp
copied 755 "$from/$built" "$libdir/$real"
linked "$real" "$libdir/$soname"
linked "$soname" "$libdir/$built"
copied 644 "$from/libchreode.a" "$libdir/libchreode.a"
# macOS keeps debug information beside what was built as it is.
if [ "$stripped" = yes ] && [ "$(uname -s)" != Darwin ]; then
    without_debug_information
fi
filled chreode.pc.in "$libdir/pkgconfig/chreode.pc"
filled cmake/chreodeConfig.cmake.in "$libdir/cmake/chreode/chreodeConfig.cmake"
filled cmake/chreodeConfigVersion.cmake.in "$libdir/cmake/chreode/chreodeConfigVersion.cmake"
installed "$manifest"
echo "chreode $version, binary interface $abi, is in $stage"
