#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The server's page in Chromium: type, stream, stop, hover, change the model; no error on the console. SPECTRA_SCREENSHOTS: a folder for pictures."""
import json
import os
import pathlib
import shutil
import subprocess

import harness
from harness import DATA, spectra
from served import Server

MODEL = DATA / "model/stories260k"
ORACLES = harness.SOURCE / "build/oracles/node_modules"
DRIVER = pathlib.Path(__file__).with_name("serve_page.mjs")
CHROMIUM = pathlib.Path(shutil.which("chromium") or "/usr/bin/chromium")


class Page(harness.Case):
    def test_page(self):
        model = self.directory / "stories"
        spectra("convert", MODEL / "stories260K.bin", model, "--tokenizer", MODEL / "tok512.bin")
        random = self.directory / "random"
        spectra("init", "--hidden", 1024, "--glu", 2560, "--heads", 8, "--layers", 3, "--tokenizer", model, "--packed", "2bit", "--out", random)  # slow enough to be stopped
        with Server(model, random) as server:
            stopped = server.json("/v1/completions", {"prompt": "Lily went", "max_tokens": 60, "temperature": 0, "stop": "the"})["choices"][0]["text"]
            expected = server.json("/v1/completions", {"prompt": "Lily went", "max_tokens": 30, "temperature": 0})["choices"][0]["text"]
            command = ["node", DRIVER, server.url, ORACLES, CHROMIUM, os.environ.get("SPECTRA_SCREENSHOTS", "")]
            result = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            seen = json.loads(result.stdout)
            self.assertEqual(seen["problems"], [])
            self.assertEqual(seen["text"], "Lily went" + expected)
            self.assertRegex(seen["status"], r"30 tokens, [\d.]+ tokens/s, ended by length")
            self.assertEqual(seen["one"], "1 token, ended by length")
            self.assertEqual(seen["before_stop"], "Lily went" + stopped)
            self.assertRegex(seen["refused"], "ended by stop$")  # nothing new was asked
            self.assertEqual(seen["alternatives"], 5)
            self.assertNotEqual(seen["moved"], seen["hovered"])  # the arrow key went to the next token
            self.assertIn("stopped after", seen["stopped"])
            self.assertIn("ternary", seen["card"])
            self.assertEqual(seen["layers"], 3)
            self.assertEqual(seen["wide"], 0)  # nothing is wider than a phone
            server.json("/health")
        size = sum(path.stat().st_size for path in (harness.SOURCE / "src/server/page").iterdir())
        self.assertLess(size, 100_000)


if __name__ == "__main__":
    harness.main(MODEL, ORACLES / "playwright-core", CHROMIUM)
