#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A run with many checkpoints: which stay, how small they are, that every one loads, also after kills while they are packed."""
import hashlib
import json
import shutil
import signal
import subprocess
import time

import harness
from training import RECIPE, STEPS

KEEP = 2


class Checkpoints(harness.Case):
    def setUp(self):
        super().setUp()
        harness.spectra("prepare", "--synthetic", "stories", "--stories", 300, "--train-tokenizer", 300, "--out", self.directory / "data")
        self.run_directory = self.directory / "run"

    def write_recipe(self, family, rules):
        recipe = self.directory / f"{family}.toml"
        text = RECIPE.format(family=family, data=self.directory / "data", tokens=STEPS * 512)
        recipe.write_text(text.replace("every = 7\n", rules, 1))
        return recipe

    def checkpoints(self):
        return {int(path.name[5:]): path for path in sorted((self.run_directory / "checkpoints").glob("step-*"))}

    def packed_format(self, path):
        return json.loads((path / "config.json").read_text()).get("quantization_config", {}).get("format")

    def assert_whole(self, path):
        for name, wanted in json.loads((path / "spectra.json").read_text())["sha256"].items():
            self.assertEqual(hashlib.sha256((path / name).read_bytes()).hexdigest(), wanted, path / name)

    def test_what_is_left(self):
        recipe = self.write_recipe("ternary", f"every = 3\nlog_spaced = true\nkeep = {KEEP}\nkeep_every = 12\n")
        estimate = harness.spectra_json("train", recipe, "--dry-run")
        harness.spectra("train", recipe, "--out", self.run_directory)
        left = self.checkpoints()
        self.assertEqual(list(left), [1, 2, 4, 8, 12, 16, 24, 32, 36, 48, 57, 60])
        self.assertEqual([p.name for p in (self.run_directory / "checkpoints").glob(".*")], [])
        weights = estimate["checkpoint_bytes"]["model"]
        complete = list(left)[-KEEP:]
        for step, path in left.items():
            self.assert_whole(path)
            size = (path / "model.safetensors").stat().st_size
            self.assertEqual((path / "trainer.safetensors").exists(), step in complete, step)
            self.assertEqual(self.packed_format(path), None if step in complete else "tern1.6-v2")
            self.assertGreater(size, weights) if step in complete else self.assertLess(size, 0.7 * weights)
            self.assertEqual(json.loads((path / "spectra.json").read_text())["step"], step)
            text = harness.spectra_json("generate", path, "--prompt", "Once", "--max-tokens", 4)
            self.assertEqual(text["tokens"], 4)
            shown = harness.spectra_json("inspect", path)
            self.assertEqual(shown["family"], "ternary")
        tensors = sum(path.stat().st_size for path in (self.run_directory / "checkpoints").rglob("*.safetensors"))
        self.assertLess(tensors, estimate["disk_bytes"] * 1.1)

    def test_a_packed_checkpoint_scores_like_the_unpacked_one(self):
        text = self.directory / "text.txt"
        text.write_text("Once upon a time there was a little dog who lived in a house. " * 20)
        for family in ("ternary", "binary"):
            recipe = self.write_recipe(family, "every = 20\nkeep = 1\n")
            results = []
            for pack in ("true", "false"):
                shutil.rmtree(self.run_directory, ignore_errors=True)
                harness.spectra("train", recipe, "--out", self.run_directory, "--set", f"checkpoint.pack={pack}")
                path = self.checkpoints()[20]
                self.assertEqual(self.packed_format(path) is not None, pack == "true")
                results.append(harness.spectra_json("perplexity", path, "--text", text)["nll"])
                if pack == "true":
                    harness.spectra("unpack", path, "--out", self.directory / f"unpacked-{family}")
            self.assertAlmostEqual(results[0], results[1], places=5)  # sums are ordered otherwise
            self.assertEqual(self.halves(self.directory / f"unpacked-{family}"), self.halves(path))

    def halves(self, model):
        """The file as 16-bit words, with the -0 of an exported model as the +0 that packing makes of it."""
        content = (model / "model.safetensors").read_bytes()
        start = 8 + int.from_bytes(content[:8], "little")
        return content[:start], [0 if word == 0x8000 else word for word in memoryview(content[start:]).cast("H")]

    def test_kills_while_packing(self):
        """A finished run with many unpacked models is packed by a resume; kills at random moments of that leave whole checkpoints."""
        recipe = self.write_recipe("ternary", "every = 1\nkeep = 1\n")
        harness.spectra("train", recipe, "--out", self.run_directory, "--set", "checkpoint.pack=false")
        before = self.checkpoints()
        self.assertEqual(len(before), STEPS)
        pack = [str(part) for part in (harness.BINARY, "train", recipe, "--out", self.run_directory, "--resume")]
        amid = 0
        for _ in range(1000):
            process = subprocess.Popen(pack, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            done = self.count_packed()
            while process.poll() is None and self.count_packed() < done + 3:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            _, errors = process.communicate()
            self.assertIn(process.returncode, (0, -signal.SIGKILL), errors)
            for path in before.values():
                self.assert_whole(path)
            if process.returncode == 0:
                break
            amid += 0 < self.count_packed() < STEPS - 1
        self.assertGreater(amid, 0, "no kill came while packing")
        harness.spectra(*pack[1:])
        self.assertEqual(self.count_packed(), STEPS - 1)
        self.assertEqual([p.name for p in (self.run_directory / "checkpoints").glob(".*")], [])

    def count_packed(self):
        count = 0
        for path in (self.run_directory / "checkpoints").glob("step-*/config.json"):
            try:
                count += "quantization_config" in path.read_text()
            except FileNotFoundError:
                pass  # just being replaced
        return count


if __name__ == "__main__":
    harness.main(harness.BINARY)
