#!/bin/sh
# Makes the source package and checks it as CRAN does, but for what needs its servers or LaTeX:
#
#     bindings/r/tools/check.sh [FOLDER]
#
# Takes two whole builds of the crate. Set CARGO_TARGET_DIR to keep what can be kept between them.
set -e
out=$(cd "${1:-.}" && pwd)
"$(dirname "$0")/bundle.sh" "$out"
cd "$out"
# No servers: nothing is looked up, and the time is taken from this machine.
export _R_CHECK_CRAN_INCOMING_REMOTE_=false _R_CHECK_SYSTEM_CLOCK_=false _R_CHECK_FORCE_SUGGESTS_=false
R CMD check --as-cran --no-manual chreode_*.tar.gz
