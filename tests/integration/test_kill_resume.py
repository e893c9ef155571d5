#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training that is killed, runs out of disk or gets bad input: nothing is lost, nothing half-written is left."""
import json
import random
import resource
import shutil
import signal
import subprocess
import time

import harness
from training import STEPS, Training, write_data

class KillAndResume(Training):
    def test_ten_kills_change_nothing(self):
        undisturbed, killed = self.directory / "undisturbed", self.directory / "killed"
        began = time.monotonic()
        harness.spectra("train", self.recipe, "--out", undisturbed)
        duration = time.monotonic() - began
        rng, kills = random.Random(), 0
        for _ in range(200):
            process = subprocess.Popen(self.command(killed, "--resume"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                # Most of a start is reading and verifying; the tail of the distribution makes progress certain.
                process.wait(timeout=rng.uniform(0.0, 0.4) * duration if kills < 10 else 600)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                if killed.exists():
                    self.assert_whole(killed)
                continue
            self.assertEqual(process.returncode, 0)
            if kills >= 10:
                break
            shutil.rmtree(killed)  # it got to the end before ten kills: once more from the start
        self.assertGreaterEqual(kills, 10)
        self.assert_same_state(self.checkpoint(undisturbed), self.checkpoint(killed))
        steps = [json.loads(line)["step"] for line in (killed / "log.jsonl").read_text().splitlines()]
        self.assertEqual(steps, list(range(1, STEPS + 1)))
        self.assertEqual([p.name for p in killed.rglob(".*")], [], "a killed process left something behind")

    def test_an_interrupt_saves_and_exits_130(self):
        undisturbed, stopped = self.directory / "undisturbed", self.directory / "stopped"
        harness.spectra("train", self.recipe, "--out", undisturbed)
        for number in (signal.SIGINT, signal.SIGTERM):
            shutil.rmtree(stopped, ignore_errors=True)
            process = subprocess.Popen(self.command(stopped), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            log = stopped / "log.jsonl"
            while not (log.exists() and log.stat().st_size > 0) and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(number)
            output, errors = process.communicate()
            self.assertEqual(process.returncode, 130, errors)
            self.assertIn("--resume", errors)
            self.assertEqual(output, "")
            result = harness.spectra_json("train", self.recipe, "--out", stopped, "--resume")
            self.assertEqual(result["schema"], "spectra.train/1")
            self.assertEqual(result["checkpoint"], str(self.checkpoint(stopped)))
            self.assert_same_state(self.checkpoint(undisturbed), self.checkpoint(stopped))


class FullDisk(Training):
    def train_with_file_limit(self, run, limit, ignore_signal):
        def restrict():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN if ignore_signal else signal.SIG_DFL)
        return subprocess.run(self.command(run, "--resume"), capture_output=True, text=True, preexec_fn=restrict,
                              restore_signals=False)

    def test_the_previous_checkpoint_stays_whole(self):
        undisturbed, run = self.directory / "undisturbed", self.directory / "run"
        harness.spectra("train", self.recipe, "--out", undisturbed)
        short = subprocess.Popen(self.command(run), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not self.checkpoint(run, 7).exists() and short.poll() is None:
            time.sleep(0.005)
        short.kill()
        short.wait()
        before = sorted(p.name for p in (run / "checkpoints").glob("step-*"))
        largest = (self.checkpoint(undisturbed) / "trainer.safetensors").stat().st_size
        for ignore in (True, False):
            result = self.train_with_file_limit(run, largest // 2, ignore)
            self.assertEqual(result.returncode, 3, result.stderr)
            self.assertIn("trainer.safetensors", result.stderr)
            self.assertIn("free some space", result.stderr)
            self.assertEqual(sorted(p.name for p in (run / "checkpoints").iterdir()), before, "something half-written remains")
            self.assertEqual([p.name for p in run.rglob(".*")], [])
            self.assert_whole(run)
        harness.spectra("train", self.recipe, "--out", run, "--resume")
        self.assert_same_state(self.checkpoint(undisturbed), self.checkpoint(run))


class BadInput(Training):
    def refused(self, *arguments, says, code=3, recipe=None):
        return self.assert_bad_input("train", recipe or self.recipe, "--out", self.directory / "run", *arguments, says=says, code=code)

    def test_recipes(self):
        wrong = self.write_recipe("wrong.toml", "[optimizer]\nbeta_2 = 0.9\n")
        self.refused(recipe=wrong, says=["wrong.toml:22", "optimizer.beta_2", "did you mean optimizer.beta2?"])
        self.refused("--set", "optimizer.beta2=2", says=["optimizer.beta2 = 2", "from 0 to"])
        self.refused("--set", "model.shards=3", says=["not divisible by shards 3"])
        self.refused("--set", "train.seed", code=2, says=["section.key=value"])
        self.refused(recipe=self.directory / "none.toml", says=["none.toml"])
        self.refused("--set", f"data.path={self.directory / 'nothing'}", says=["nothing"])

    def test_token_data(self):
        tokens = self.data / "tokens-00000.bin"
        whole = tokens.read_bytes()
        tokens.write_bytes(whole[:-2])
        self.refused(says=["tokens-00000.bin", "39998 bytes"])
        tokens.write_bytes(whole[:100] + b"\xff" + whole[101:])
        self.refused(says=["tokens-00000.bin", "sha256"])
        tokens.unlink()
        self.refused(says=["tokens-00000.bin"])
        tokens.write_bytes(whole)
        (self.data / "tokenizer.json").write_text("{}")
        self.refused(says=["tokenizer.json"])

    def test_an_empty_corpus(self):
        shutil.rmtree(self.data)
        write_data(self.data, train=0, valid=0)
        self.refused(says=["train"])
        shutil.rmtree(self.data)
        write_data(self.data, train=20)
        self.refused(says=["holds 20 tokens"])

    def test_a_damaged_checkpoint(self):
        run = self.directory / "run"
        harness.spectra("train", self.recipe, "--out", run)
        file = self.checkpoint(run) / "trainer.safetensors"
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        for older in (run / "checkpoints").glob("step-*/trainer.json"):
            if older.parent != file.parent:
                older.unlink()  # else it would be taken instead
        self.refused("--resume", says=["trainer.safetensors is damaged", "sha256"])
        self.refused(says=["exists already", "--resume"])

    def test_a_model_that_does_not_fit(self):
        large = ["model.hidden=65536", "model.glu=262144", "model.heads=512", "model.kv_heads=512", "model.layers=100"]
        self.refused(*[part for setting in large for part in ("--set", setting)], code=5, says=["training needs about", "available"])


class Printing(Training):
    def test_dry_run_and_config(self):
        plan = harness.spectra_json("train", self.recipe, "--dry-run")
        self.assertEqual(plan["steps"], STEPS)
        self.assertEqual(plan["linear_parameters"], 2 * (4 * 64 * 64 + 3 * 64 * 96))
        self.assertIn("parameters", harness.spectra("train", self.recipe, "--dry-run").stdout)
        shown = harness.spectra("train", self.recipe, "--set", "train.seed=9", "--print-config").stdout
        self.assertRegex(shown, r"seed = 9 +# --set")
        again = self.directory / "again.toml"
        again.write_text(shown)
        first = harness.spectra_json("train", self.recipe, "--set", "train.seed=9", "--print-config")["config"]
        second = harness.spectra_json("train", again, "--print-config")["config"]
        self.assertEqual({k: v["value"] for k, v in first.items()}, {k: v["value"] for k, v in second.items()})


if __name__ == "__main__":
    harness.main(harness.BINARY)
