#!/bin/sh
# Every check and test, as `make test` and CI run them. The last thing printed is ctest's summary.
set -eu
cd "$(dirname "$0")/.."
step() { printf '\n== %s (%s)\n' "$1" "$(date +%T)"; }

mkdir -p build
step "Sources: include order, sizes, formatting"
python3 tests/check_sources.py

step "Test oracles from npm"
tests/install_oracles.sh

step "Build: warnings are errors"
cmake --preset dev >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
cmake --build build/dev

step "Fast tests under address and undefined-behaviour sanitizers"
cmake --preset asan >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
cmake --build build/asan
(cd build/asan && ctest -L fast --output-on-failure --no-tests=error -j 2 --timeout 600 --quiet --output-log fast.log) ||
  { cat build/asan/fast.log; exit 1; }
tail -n 12 build/asan/fast.log

step "Fuzzing, shortly"
cmake --preset fuzz >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
cmake --build build/fuzz --target fuzzers
tests/fuzz/run.sh build/fuzz "${SPECTRA_FUZZ_SECONDS:-15}"

step "All tests"
cd build/dev
exec ctest --output-on-failure --no-tests=error -j 2
