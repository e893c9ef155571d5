#!/bin/sh
# Every check and test, as `make test` and CI run them. The last thing printed is ctest's summary.
set -eu
cd "$(dirname "$0")/.."
. tests/steps.sh

step "Sources: modules, headers, sizes, formatting"
python3 tests/check_sources.py

step "Test oracles from npm"
tests/install_oracles.sh

step "Build: warnings are errors"
build dev all

step "All tests"
cd build/dev
exec ctest --output-on-failure --no-tests=error -j 2
