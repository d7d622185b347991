#!/bin/sh
# Makes a source package that installs without the network: the crate and everything it depends on go into src/rust.
#
#     bindings/r/tools/bundle.sh [FOLDER]
#
# leaves chreode_VERSION.tar.gz in FOLDER (the current one). Needs cargo, and the network unless cargo has the dependencies.
set -e
out=$(cd "${1:-.}" && pwd)
package=$(cd "$(dirname "$0")/.." && pwd)
crate=$(cd "$package/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The package, without what an installation may have left in it.
cp -R "$package" "$work/chreode"
(cd "$work/chreode" && ./cleanup)

# The crate: the library alone, without its tests, benchmarks and command.
rust=$work/chreode/src/rust
rm -rf "$rust"
mkdir "$rust"
cp -R "$crate/src" "$crate/include" "$crate/build.rs" "$crate/Cargo.lock" "$crate/LICENSE" "$rust"
rm -rf "$rust/src/bin"
awk '
    /^\[/ { keep = !/^\[\[(bin|bench|test|example)\]\]/ && !/^\[dev-dependencies/ && !/^\[features\]/ }
    keep && !/optional = true/ && !/^readme/
    /^\[lints.rust\]/ { print "unexpected_cfgs = \"allow\" # of the features that were left out" }
' "$crate/Cargo.toml" > "$rust/Cargo.toml"
cd "$rust"
cargo vendor --quiet vendor >/dev/null

# Most of those bytes are of crates for systems and tools that nothing here is built with. They stay as empty ones: cargo
# wants to see every crate of the lock file.
for target in x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-unknown-linux-musl x86_64-apple-darwin \
    aarch64-apple-darwin x86_64-unknown-freebsd; do
    cargo tree --quiet --locked --target "$target" -e normal,build --prefix none
done | awk '{ print $1, substr($2, 2) }' | sort -u > needed
for there in vendor/*; do
    which=$(awk -F'"' '/^name = /{ n = $2 } /^version = /{ print n, $2; exit }' "$there/Cargo.toml")
    ! grep -qxF "$which" needed || continue
    find "$there" -mindepth 1 ! -name Cargo.toml ! -name .cargo-checksum.json -delete
    mkdir "$there/src"
    : > "$there/src/lib.rs"
    sed 's/"files":{[^}]*}/"files":{}/' "$there/.cargo-checksum.json" > edited && mv edited "$there/.cargo-checksum.json"
    # No targets but an empty library.
    awk '/^\[/ { keep = !/^\[(lib|\[bin|\[test|\[bench|\[example)/ } keep && !/^(build|readme|license-file) = /' \
        "$there/Cargo.toml" > edited && mv edited "$there/Cargo.toml"
    printf '[lib]\npath = "src/lib.rs"\n' >> "$there/Cargo.toml"
    echo "$there" >> emptied
done
echo "emptied $(wc -l < emptied) of $(ls vendor | wc -l) crates"

# Cargo must still take it for a whole.
CARGO_HOME=$work/cargo-home cargo metadata --locked --offline --format-version 1 \
    --config 'source.crates-io.replace-with="vendored"' --config "source.vendored.directory=\"$rust/vendor\"" >/dev/null

# Whose code it is, as CRAN asks to be told.
{
    echo "The Rust library in src/rust is by the authors of chreode. The crates in src/rust/vendor.tar.xz are by:"
    echo
    for manifest in vendor/*/Cargo.toml; do
        grep -qxF "$(dirname "$manifest")" emptied && continue
        awk -F' = ' '
            /^\[/ { package = /^\[package\]/ }
            package && $1 == "name" { name = $2 }
            package && $1 == "version" { version = $2 }
            package && $1 == "license" { license = $2 }
            package && $1 == "authors" { list = $2; while (list !~ /\]/ && (getline line) > 0) list = list line }
            END {
                gsub(/[][]|^ +|, *$/, "", list); gsub(/,$/, "", list); gsub(/"/, "", list)
                gsub(/"/, "", name); gsub(/"/, "", version); gsub(/"/, "", license)
                gsub(/ +/, " ", list); sub(/^ /, "", list); sub(/, *$/, "", list)
                print name " " version " (" license ")" (list == "" ? "" : ": " list)
            }' "$manifest"
    done
} > "$work/chreode/inst/AUTHORS"
echo "Copyright: see file AUTHORS for the crates in src/rust/vendor.tar.xz" >> "$work/chreode/DESCRIPTION"

# One file: paths longer than 100 bytes are not portable in a package. Always the same bytes.
tar --sort=name --mtime='2020-01-01 00:00Z' --owner=0 --group=0 --numeric-owner -cf - vendor | xz -6 -T1 > vendor.tar.xz
rm -rf vendor needed emptied

# The vignette is built by an installation, which may share its build with others through CARGO_TARGET_DIR.
cd "$work"
R CMD build chreode
mv chreode_*.tar.gz "$out"
ls -l "$out"/chreode_*.tar.gz
