#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every command shown in README.md and docs/*.md, in order, in a copy of the checkout, after a short demo."""
import os
import re
import shutil
import subprocess

import harness

# What CI itself runs, or what only installs or builds: not run again from within a test.
BUILD_COMMANDS = ("make", "cmake", "cpack", "ctest", "git clone", "alias ", "sudo ")


def commands(text):
    """Lines of ```sh blocks, comments removed, continued lines joined."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\s+# .*$", "", line).strip()
            if line and not line.startswith(("#",) + BUILD_COMMANDS):
                yield line


class Docs(harness.Case):
    def test_every_command_works(self):
        for entry in ("README.md", "DESIGN.md", "HACKING.md", "recipes", "suites", "docs", "examples"):
            source = harness.SOURCE / entry
            (shutil.copytree if source.is_dir() else shutil.copy)(source, self.directory / entry)
        (self.directory / "build/release").mkdir(parents=True)
        (self.directory / "build/release/spectra").symlink_to(harness.BINARY)
        prefix = self.directory / "installed"  # stands for the system's directories
        subprocess.run(["cmake", "--install", harness.BINARY.parent, "--prefix", prefix], check=True, capture_output=True)
        library = next(prefix.rglob("libspectra.so")).parent
        self.installed = {"PKG_CONFIG_PATH": str(library / "pkgconfig"), "LD_LIBRARY_PATH": str(library)}
        self.run_line("DEMO_STORIES=2000 DEMO_TOKENS=100000 examples/demo.sh build/release/spectra demo")
        ran = 0
        for page in ["README.md", *sorted(str(p.relative_to(harness.SOURCE)) for p in (harness.SOURCE / "docs").glob("*.md"))]:
            for line in commands((harness.SOURCE / page).read_text()):
                with self.subTest(page=page, command=line):
                    self.run_line(line)
                    ran += 1
        self.assertGreater(ran, 10, "the pages' commands were not found")

    def run_line(self, line):
        # A test may run as root, on fewer cores than ranks.
        mpi = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
        environment = dict(os.environ, **mpi, **self.installed, PATH=f"{self.directory / 'build/release'}:{os.environ['PATH']}")
        result = subprocess.run(["sh", "-c", line], cwd=self.directory, env=environment, capture_output=True, text=True, timeout=900)
        self.assertEqual(result.returncode, 0, f"{line}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}")


if __name__ == "__main__":
    harness.main()
