# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: where the program is, running it, skipping."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("SPECTRA_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BINARY = pathlib.Path(os.environ.get("SPECTRA_BINARY", SOURCE / "build/dev/spectra")).resolve()
DATA = pathlib.Path(os.environ.get("SPECTRA_TEST_DATA", SOURCE / "../shared/data"))


def spectra(*arguments, check=True, **kwargs):
    """Runs the program; with check, a failure raises with its stderr."""
    command = [str(BINARY), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, **kwargs)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(command)} exited with {result.returncode}\n{result.stderr}")
    return result


def spectra_json(*arguments, **kwargs):
    """The one JSON object that --json prints."""
    return json.loads(spectra(*arguments, "--json", **kwargs).stdout)


def main(*needed):
    """Runs the tests of the calling script. Exit 77 (skipped) where one of the paths `needed` is absent; a failure in CI."""
    missing = [str(path) for path in needed if not pathlib.Path(path).exists()]
    if missing:
        print(f"SKIPPED: {', '.join(missing)} not found", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 77)
    unittest.main(module="__main__", verbosity=2)


class Case(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="spectra-")
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)

    def assert_bad_input(self, *arguments, says=(), code=3, **kwargs):
        """The command exits with `code`, names everything in `says`, and leaves nothing new in self.directory."""
        before = sorted(self.directory.rglob("*"))
        result = spectra(*arguments, check=False, **kwargs)
        self.assertEqual(result.returncode, code, result.stderr)
        for text in says:
            self.assertIn(text, result.stderr)
        self.assertEqual(sorted(self.directory.rglob("*")), before, "something half-written remains")
        return result
