# SPDX-License-Identifier: Apache-2.0
# For run.sh and deep.sh, in the repository's root.
mkdir -p build
step() { printf '\n== %s (%s)\n' "$1" "$(date +%T)"; }

# build PRESET TARGET
build() {
  cmake --preset "$1" >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
  cmake --build "build/$1" --target "$2"
}
