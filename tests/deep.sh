#!/bin/sh
# What takes long and seldom finds something: sanitizers and fuzzing. `make test-deep` and CI run it after `make test`.
set -eu
cd "$(dirname "$0")/.."
. tests/steps.sh

step "Fuzzing, shortly"
build fuzz fuzzers
tests/fuzz/run.sh build/fuzz "${SPECTRA_FUZZ_SECONDS:-15}"

step "Fast tests under address and undefined-behaviour sanitizers"
build asan all
cd build/asan
exec ctest -L fast --output-on-failure --no-tests=error -j 2 --timeout 600
