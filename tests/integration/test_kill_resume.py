#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training that is killed, runs out of disk or gets bad input: nothing is lost, nothing half-written is left."""
import array
import hashlib
import json
import random
import resource
import shutil
import signal
import subprocess
import time

import harness

VOCAB = 200
STEPS = 60
RECIPE = """
[model]
family = "{family}"
hidden = 64
glu = 96
heads = 4
layers = 2
shards = 2
[data]
path = "{data}"
[train]
tokens = {tokens}
batch_tokens = 512
sequence = 32
micro_batch = 8
[checkpoint]
every = 7
[validation]
every = 10
tokens = 1000
"""
STATE = ("model.safetensors", "trainer.safetensors", "config.json", "spectra.json", "trainer.json")


def write_data(path, train=20_000, valid=1_500):
    """Token data as src/format/token_data.h describes it, written without the program: words of a first-order chain."""
    rng = random.Random(1)
    path.mkdir()
    files = []
    for split, count in (("train", train), ("valid", valid)):
        tokens, starts = array.array("H"), array.array("Q")
        word = 1
        while len(tokens) < count:
            starts.append(len(tokens))
            for _ in range(min(rng.randint(5, 40), count - len(tokens) - 1)):
                word = 1 + (word * 3 if rng.random() < 0.8 else rng.randrange(VOCAB)) % (VOCAB - 1)
                tokens.append(word)
            tokens.append(0)
        entry = {"split": split, "tokens": len(tokens), "documents": len(starts)}
        index = len(files)
        for key, name, content in (("", f"tokens-{index:05d}.bin", tokens), ("documents_", f"documents-{index:05d}.bin", starts)):
            (path / name).write_bytes(content.tobytes())
            entry[key + "name"], entry[key + "sha256"] = name, hashlib.sha256(content.tobytes()).hexdigest()
        files.append(entry)
    tokenizer = b'{"a tokenizer": "that training only copies"}'
    (path / "tokenizer.json").write_bytes(tokenizer)
    (path / "data.json").write_text(json.dumps({
        "schema": "spectra.data/1", "tokenizer_sha256": hashlib.sha256(tokenizer).hexdigest(), "vocab": VOCAB, "eos": 0,
        "token_bytes": 2, "replaced_bytes": 0, "sources": [], "files": files}))


class Training(harness.Case):
    def setUp(self):
        super().setUp()
        self.data = self.directory / "data"
        write_data(self.data)
        self.recipe = self.write_recipe("recipe.toml")

    def write_recipe(self, name, extra="", **values):
        recipe = self.directory / name
        settings = {"family": "ternary", "data": self.data, "tokens": STEPS * 512, **values}
        recipe.write_text(RECIPE.format(**settings) + extra)
        return recipe

    def command(self, run, *more):
        return [str(part) for part in (harness.BINARY, "train", self.recipe, "--out", run, *more)]

    def checkpoint(self, run, step=STEPS):
        return run / "checkpoints" / f"step-{step:08d}"

    def assert_same_state(self, a, b):
        for name in STATE:
            self.assertEqual((a / name).read_bytes(), (b / name).read_bytes(), f"{name} differs")

    def assert_whole(self, run):
        """Every checkpoint that can be seen is complete, by its own checksums."""
        for checkpoint in (run / "checkpoints").glob("step-*"):
            for file in ("spectra.json", "trainer.json"):
                if not (checkpoint / file).exists() and file == "trainer.json":
                    continue  # an older one, kept as a model
                for name, wanted in json.loads((checkpoint / file).read_text())["sha256"].items():
                    self.assertEqual(hashlib.sha256((checkpoint / name).read_bytes()).hexdigest(), wanted, checkpoint / name)


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
