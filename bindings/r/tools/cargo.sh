#!/bin/sh
# Makes the static library: cargo.sh CARGO CRATE TARGET, called by src/Makevars. From the repository, with the features of the
# crate that CHREODE_FEATURES names (cuda).
set -e
cargo=$1 crate=$2 target=$3
export CARGO_TARGET_DIR="$target"
cd "$crate"

if [ ! -f vendor.tar.xz ]; then
    # In the repository: the same command, so the same build, as everyone else's there with these features. A package of R CMD
    # build goes the same way, and cargo gets the dependencies that Cargo.lock names.
    exec "$cargo" build --release --locked --lib --features "$CHREODE_FEATURES"
fi

# A source package: nothing from the network, at most two jobs, and nothing written outside of this folder.
[ -d vendor ] || xz -dc vendor.tar.xz | tar -xf -
PATH=$(dirname "$cargo"):$PATH CARGO_HOME=$crate/cargo-home \
    "$cargo" rustc --release --locked --offline --lib --crate-type staticlib -j 2 \
    --config 'source.crates-io.replace-with="vendored"' --config "source.vendored.directory=\"$crate/vendor\""
rm -rf vendor cargo-home
