#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What users install: files of `cmake --install`, examples built by find_package and pkg-config and run, Debian packages."""
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402

BUILD = harness.BINARY.parent
STORIES = harness.DATA / "model/stories260k"
API = harness.SOURCE / "include/spectra/spectra.h"


def run(*command, **kwargs):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=900, **kwargs)
    if result.returncode != 0:
        raise AssertionError(f"{command} exited with {result.returncode}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}")
    return result.stdout


def only(paths):
    """The one path of several patterns' results."""
    paths = list(paths)
    assert len(paths) == 1, paths
    return paths[0]


class Installed(harness.Case):
    """An installation that was made under a staging directory and then lies somewhere else than configured."""

    def setUp(self):
        super().setUp()
        run("cmake", "--install", BUILD, "--prefix", "/opt/spectra", env=dict(os.environ, DESTDIR=str(self.directory / "stage")))
        self.prefix = self.directory / "moved"
        shutil.move(self.directory / "stage/opt/spectra", self.prefix)
        self.shared_object = only(self.prefix.rglob("libspectra.so"))
        self.model = self.directory / "model"
        harness.spectra("convert", STORIES / "stories260K.bin", self.model, "--tokenizer", STORIES / "tok512.bin")

    def examples(self, directory, **environment):
        """Runs the built examples on a trained model and checks what they say."""
        environment = dict(os.environ, GOMP_SPINCOUNT="1000", **environment)
        text = self.directory / "text.txt"
        text.write_text((STORIES / "logprobs-texts.txt").read_text().split("\n----\n")[1])
        said = run(directory / "generate", self.model, input="Once upon a time\n", env=environment)
        self.assertEqual(said, "Once upon a time, there was a little girl named Lily.\n")
        with open(text) as stdin:
            said = run(directory / "perplexity", self.model, stdin=stdin, env=environment)
        expected = harness.spectra_json("perplexity", self.model, "--text", text)
        self.assertAlmostEqual(float(re.search(r"perplexity (\S+),", said).group(1)), expected["perplexity"], delta=1e-3)
        self.assertIn(f"{expected['tokens']} tokens", said)
        said = run(directory / "choose", self.model, "Once upon a", "time", "dog", env=environment)
        scores = {line.split()[1]: float(line.split()[0]) for line in said.splitlines()}
        self.assertGreater(scores["time"], math.log(0.9))
        self.assertLess(scores["dog"], math.log(0.1))
        failed = subprocess.run([directory / "generate", self.directory / "nothing"], capture_output=True, text=True, env=environment)
        self.assertEqual(failed.returncode, 3)
        self.assertIn("nothing", failed.stderr)

    def test_examples_by_find_package(self):
        build = self.directory / "examples"
        run("cmake", "-S", harness.SOURCE / "examples", "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}", "-DCMAKE_BUILD_TYPE=Release",
            "-DCMAKE_C_FLAGS=-Wall -Wextra -pedantic -Werror", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -pedantic -Werror")
        run("cmake", "--build", build)
        self.assertIn(str(self.prefix), run("ldd", build / "choose"))
        self.examples(build)
        for version, found in (("0.1", True), ("0.2", False), ("1.0", False)):
            self.assertEqual(self.finds(version), found, version)

    def finds(self, version):
        source = self.directory / f"find-{version}"
        source.mkdir()
        (source / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.16)\nproject(find LANGUAGES CXX)\n"
                                               f"find_package(spectra {version} REQUIRED)\n")
        return subprocess.run(["cmake", "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}"],
                              capture_output=True).returncode == 0

    def test_examples_by_pkg_config(self):
        environment = dict(os.environ, PKG_CONFIG_PATH=str(self.shared_object.parent / "pkgconfig"))
        self.assertEqual(run("pkg-config", "--modversion", "spectra", env=environment).strip(),
                         run(harness.BINARY, "--version").split()[1])
        flags = run("pkg-config", "--cflags", "--libs", "spectra", env=environment).split()
        sources = [source for source in (harness.SOURCE / "examples").iterdir() if source.suffix in (".c", ".cpp")]
        self.assertGreaterEqual(len(sources), 3)
        for source in sources:
            compiler = ["gcc", "-std=c99"] if source.suffix == ".c" else ["g++", "-std=c++17"]
            run(*compiler, "-Wall", "-Wextra", "-Werror", source, "-o", self.directory / source.stem, *flags, "-lm")
        self.examples(self.directory, LD_LIBRARY_PATH=str(self.shared_object.parent))
        programs = re.findall(r"```(cpp|c)\n(.*?)```", (harness.SOURCE / "docs/library.md").read_text(), re.S)
        self.assertEqual([language for language, _ in programs], ["cpp", "c"])
        for language, text in programs:
            source = self.directory / f"documented.{language}"
            source.write_text(text)
            run("g++" if language == "cpp" else "gcc", "-Wall", "-Wextra", "-Werror", source, "-o", self.directory / "documented", *flags)

    def test_program_and_texts_are_installed(self):
        self.assertIn("spectra", run(self.prefix / "bin/spectra", "--version"))
        self.assertIn(".TH SPECTRA 1", (self.prefix / "share/man/man1/spectra.1").read_text())
        self.assertIn("complete ", (self.prefix / "share/bash-completion/completions/spectra").read_text())
        self.assertIn("Apache", (self.prefix / "share/doc/spectra/copyright").read_text())

    def test_the_library_shows_the_functions_of_its_header_only(self):
        declared = set(re.findall(r"^SPECTRA_API [^;]*?(spectra_\w+)\(", API.read_text(), re.M))
        self.assertGreater(len(declared), 15)
        symbols = [line.split() for line in run("nm", "-D", "--defined-only", self.shared_object).splitlines()]
        self.assertEqual({name.split("@")[0] for _, kind, name in symbols if kind != "A"}, declared)
        dynamic = run("readelf", "-d", self.shared_object)
        self.assertIn("soname: [libspectra.so.0]", dynamic)
        self.assertFalse(re.search("dnnl|mpi|RUNPATH|RPATH", dynamic), dynamic)


class Debian(harness.Case):
    def test_packages(self):
        run("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", self.directory)
        packages = {path.name.split("_")[0]: path for path in self.directory.glob("*.deb")}
        self.assertEqual(set(packages), {"spectra", "libspectra0", "libspectra-dev"})
        files = {name: {line.split()[5].lstrip(".") for line in run("dpkg-deb", "-c", path).splitlines() if not line.endswith("/")}
                 for name, path in packages.items()}
        field = lambda name, key: run("dpkg-deb", "-f", packages[name], key).strip()  # noqa: E731
        for path in ("/usr/bin/spectra", "/usr/share/man/man1/spectra.1", "/usr/share/doc/spectra/copyright"):
            self.assertIn(path, files["spectra"])
        self.assertTrue(any(path.endswith("libspectra.so.0") for path in files["libspectra0"]))
        for end in ("include/spectra/spectra.h", "include/spectra/spectra.hpp", "libspectra.so", "spectraConfig.cmake", "spectra.pc"):
            self.assertTrue(any(path.endswith(end) for path in files["libspectra-dev"]), end)
        for one in files:
            for other in files:
                self.assertTrue(one == other or not files[one] & files[other], f"{one} and {other} share files")
        for library in ("libc6 (", "libgomp1", "libzstd1", "libpcre2-8-0", "libssl3", "libstdc++6"):
            self.assertIn(library, field("spectra", "Depends"))
            self.assertIn(library, field("libspectra0", "Depends"))
        self.assertIn("libdnnl", field("spectra", "Depends"))
        self.assertNotIn("libdnnl", field("libspectra0", "Depends"))
        version = field("libspectra0", "Version")
        self.assertIn(f"libspectra0 (= {version})", field("libspectra-dev", "Depends"))
        self.assertIn("libspectra 0 libspectra0", run("dpkg-deb", "-I", packages["libspectra0"], "shlibs"))
        self.install_and_remove(packages)

    def install_and_remove(self, packages):
        """Into a root of its own, without the packages they depend on; a stand-in notes that ldconfig was called."""
        root = self.directory / "root"
        for directory in ("updates", "info", "triggers"):
            (root / "var/lib/dpkg" / directory).mkdir(parents=True)
        for name in ("status", "available"):
            (root / "var/lib/dpkg" / name).touch()
        calls, stand_in = self.directory / "calls", self.directory / "bin/ldconfig"
        stand_in.parent.mkdir()
        stand_in.write_text(f"#!/bin/sh\necho called >>{calls}\n")
        stand_in.chmod(0o755)
        environment = dict(os.environ, PATH=f"{stand_in.parent}:{os.environ['PATH']}:/usr/sbin:/sbin")
        dpkg = ["dpkg", f"--root={root}", "--force-not-root", "--force-depends", "--force-script-chrootless", f"--log={self.directory}/log"]
        run(*dpkg, "-i", *packages.values(), env=environment)
        self.assertIn("spectra", run(root / "usr/bin/spectra", "--version"))
        self.assertEqual(calls.read_text().count("called"), 1)
        run(*dpkg, "--purge", *packages, env=environment)
        self.assertEqual(sorted(path for path in root.rglob("*") if "var/lib/dpkg" not in str(path) and not path.is_dir()), [])
        self.assertGreater(calls.read_text().count("called"), 1)


if __name__ == "__main__":
    harness.main(STORIES, "/usr/bin/dpkg-shlibdeps", "/usr/bin/file")
