#!/bin/sh
# The kernels for Arm, tested on any machine: their unit tests are cross-compiled with the few files they need and run by an emulator.
# Usage: tests/cross/neon.sh BUILD. Exits with 77 where the cross compiler or the emulator is absent; in CI that is a failure.
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$1/cross
compiler=aarch64-linux-gnu-g++
emulator=qemu-aarch64
googletest=/usr/src/googletest/googletest
for tool in "$compiler" "$emulator"; do
  command -v "$tool" >/dev/null && continue
  echo "SKIPPED: $tool is not installed (packaging/apt-test.txt has its package)"
  [ "${CI:-}" = true ] && exit 1
  exit 77
done
cache=""
if command -v ccache >/dev/null; then cache=ccache; fi

mkdir -p "$build/include"
ln -sfn /usr/include/fmt "$build/include/fmt"  # headers alone: those of this machine's C library must not be seen

# compile NAME FILE FLAG...
objects=""
compile() {
  name=$1 file=$2
  shift 2
  objects="$objects $build/$name.o"
  $cache "$compiler" -std=c++20 -O2 -ffp-contract=off -DFMT_HEADER_ONLY -I"$source/src" -isystem "$build/include" \
    -isystem "$googletest/include" "$@" -c "$file" -o "$build/$name.o"
}
warnings="-Wall -Wextra -Wconversion -Wshadow -Werror"
for file in base/error base/log base/progress base/units base/rng base/system lowbit/packed \
  kernels/isa kernels/kernels kernels/scalar kernels/self_test kernels/self_test_inputs; do
  # shellcheck disable=SC2086
  compile "$(basename "$file")" "$source/src/$file.cc" $warnings
done
# shellcheck disable=SC2086
compile kernels_neon "$source/src/kernels/kernels_neon.cc" $warnings -march=armv8.2-a+dotprod
compile kernels_test "$source/tests/unit/kernels/kernels_test.cc"
compile gtest "$googletest/src/gtest-all.cc" -I"$googletest" -DGTEST_CAN_STREAM_RESULTS_=0
compile gtest_main "$googletest/src/gtest_main.cc"
# shellcheck disable=SC2086
"$compiler" -static $objects -o "$build/test_kernels"

output=$("$emulator" "$build/test_kernels" --gtest_filter='*/neon:Table.*') && failed=0 || failed=1
printf '%s\n' "$output"
printf '%s\n' "$output" | grep -q 'OK.*EqualsTheScalarTwin/neon' || failed=1  # none were found by a processor without them
exit $failed
