# SPDX-License-Identifier: Apache-2.0
# make        build/release/spectra (needs the packages of `make setup`)
# make setup  install what building and running needs (Debian 12, apt)
# make demo   set up, build, train two small models, pack one, compare them: demo/report.html
# make test   set up for testing, build, run every check and test
# make test-deep   the same with sanitizers, and fuzzing
.PHONY: all setup setup-test demo test test-deep format clean

all:
	@mkdir -p build
	cmake --preset release > build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	cmake --build build/release

setup:
	packaging/setup.sh packaging/apt-build.txt

demo: setup
	$(MAKE) all
	examples/demo.sh build/release/spectra demo

setup-test: setup
	packaging/setup.sh packaging/apt-test.txt

test: setup-test
	tests/run.sh

test-deep: setup-test
	tests/deep.sh

format:
	git ls-files '*.cc' '*.h' '*.c' '*.hpp' '*.cpp' | xargs clang-format -i

clean:
	rm -rf build demo
