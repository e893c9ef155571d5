#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fault drill: a run that is killed, starved of disk, fed a damaged checkpoint and batches that give NaN ends with the weights of the run
that only met the bad batches. SPECTRA_DRILL_ROUNDS=100 makes it long."""
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time

import harness
from training import STEPS, VOCAB, Training, poison, write_data

ROUNDS = int(os.environ.get("SPECTRA_DRILL_ROUNDS", "12"))
RARE = VOCAB - 1
MPIRUN = shutil.which("mpirun")


class Drill(Training):
    def setUp(self):
        super().setUp()
        shutil.rmtree(self.data)
        write_data(self.data, rare=3)
        # The groups make one and two ranks the same training.
        self.settings = ["--set", "train.reduction_groups=2", "--set", "checkpoint.keep=3", "--threads", "1"]
        self.start = self.directory / "start"
        process = self.begin(self.start)
        self.wait_for(self.checkpoint(self.start, 7), process)
        process.kill()
        process.communicate()
        for path in (self.start / "checkpoints").iterdir():
            if path.name != "step-00000007":
                shutil.rmtree(path)
        poison(self.checkpoint(self.start, 7), RARE)
        self.undisturbed = self.directory / "undisturbed"
        shutil.copytree(self.start, self.undisturbed)
        result = harness.spectra_json("train", self.recipe, "--out", self.undisturbed, "--resume", *self.settings)
        self.bad = result["skipped_batches"]
        self.assertGreaterEqual(self.bad, 2)

    def begin(self, run, ranks=1):
        launch = [MPIRUN, "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] if ranks > 1 else []
        return subprocess.Popen([*launch, *self.command(run, "--resume", *self.settings)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def wait_for(self, path, process):
        while not path.exists() and process.poll() is None:
            time.sleep(0.002)

    def skipped(self, run):
        return [(line["step"], line["skipped"]) for line in self.log(run) if "skipped" in line]

    def assert_undisturbed(self, run):
        self.assert_same_weights(self.checkpoint(self.undisturbed), self.checkpoint(run))
        self.assertEqual([line["step"] for line in self.log(run)], list(range(1, STEPS + 1)))
        self.assertEqual(self.skipped(run), self.skipped(self.undisturbed))

    def assert_same_weights(self, a, b):
        for name in ("model.safetensors", "trainer.safetensors"):
            self.assertEqual((a / name).read_bytes(), (b / name).read_bytes(), name)

    def test_bad_batches_are_skipped_and_named(self):
        skipped = self.skipped(self.undisturbed)
        self.assertEqual(len(skipped), self.bad)
        self.assertEqual({reason for _, reason in skipped}, {"nan"})
        state = self.trainer_state(self.checkpoint(self.undisturbed))
        self.assertEqual([r["first"] for r in state["faults"]["skipped"]], [(step - 1) * 16 for step, _ in skipped])
        self.assertEqual(state["updates"], STEPS - self.bad)
        self.assertEqual(state["faults"]["skipped_tokens"], self.bad * 512)

    def test_a_fault_that_came_back_is_skipped_again(self):
        """Whether by the log or by the weights: no checkpoint was made since."""
        run = self.directory / "run"
        shutil.copytree(self.undisturbed, run)
        first_bad = self.skipped(run)[0][0]
        for path in (run / "checkpoints").iterdir():
            if int(path.name[5:]) >= first_bad:
                shutil.rmtree(path)
        kept = max(int(path.name[5:]) for path in (run / "checkpoints").iterdir())
        self.assertLess(kept, first_bad)
        if not (self.checkpoint(run, kept) / "trainer.json").exists():
            shutil.rmtree(self.checkpoint(run, kept))
            shutil.copytree(self.checkpoint(self.start, 7), self.checkpoint(run, 7), dirs_exist_ok=True)
        harness.spectra("train", self.recipe, "--out", run, "--resume", *self.settings)
        self.assert_undisturbed(run)

    def test_drill(self):
        run, rng, ran = self.directory / "run", random.Random(), {}
        shutil.copytree(self.start, run)
        for _ in range(ROUNDS):
            if self.checkpoint(run).exists():  # the log may be complete before it
                self.assert_undisturbed(run)
                shutil.rmtree(run)
                shutil.copytree(self.start, run)
            fault = rng.choice([self.kill, self.kill_a_rank, self.terminate, self.fill_the_disk, self.flip_a_bit])
            ran[fault.__name__] = ran.get(fault.__name__, 0) + 1
            fault(run, rng)
            self.assert_complete(run)
        print(f"faults: {ran}")
        process = self.begin(run)
        output, errors = process.communicate(timeout=600)
        self.assertEqual(process.returncode, 0, errors)
        self.assert_undisturbed(run)
        self.assertEqual([p.name for p in run.rglob(".*")], [], "something half-written remains")

    def some_steps_on(self, run, process, rng):
        log, wanted = run / "log.jsonl", len(self.log(run)) + rng.randint(1, 15)
        while process.poll() is None and log.read_text().count("\n") < wanted:
            time.sleep(0.002)

    def kill(self, run, rng):
        process = self.begin(run)
        self.some_steps_on(run, process, rng)
        process.kill()
        process.communicate()

    def kill_a_rank(self, run, rng):
        process = self.begin(run, 2)
        self.some_steps_on(run, process, rng)
        if (pids := self.children(process)):
            os.kill(rng.choice(pids), signal.SIGKILL)
        process.communicate(timeout=60)

    def terminate(self, run, rng):
        process = self.begin(run)
        self.some_steps_on(run, process, rng)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        self.assertIn(process.returncode, (0, 130), errors)

    def fill_the_disk(self, run, rng):
        """No file may grow beyond 100 kB for a while: neither a checkpoint nor, after it, the log can be written."""
        process = self.begin(run)
        self.some_steps_on(run, process, rng)
        try:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            time.sleep(rng.uniform(0, 0.3))
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except ProcessLookupError:
            pass
        _, errors = process.communicate(timeout=120)
        if process.returncode != 0:  # it was over before the space came back
            self.assertEqual(process.returncode, 3, errors)
            self.assertIn("free some space", errors)
        else:
            self.assert_undisturbed(run)

    def flip_a_bit(self, run, rng):
        """In the newest checkpoint, where an older one can take its place."""
        resumable = sorted(path.parent for path in (run / "checkpoints").glob("step-*/trainer.json"))
        if len(resumable) < 2:
            self.kill(run, rng)
            return
        file = resumable[-1] / rng.choice(["trainer.safetensors", "model.safetensors"])
        content = bytearray(file.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        file.write_bytes(content)
        process = self.begin(run)
        self.some_steps_on(run, process, rng)
        process.kill()
        process.communicate()

    def assert_complete(self, run):
        """What can be seen is never half a checkpoint."""
        for checkpoint in (run / "checkpoints").glob("step-*"):
            for name in ("config.json", "model.safetensors", "spectra.json", "tokenizer.json"):
                self.assertTrue((checkpoint / name).exists(), checkpoint / name)


class Memory(Training):
    def test_a_fault_that_does_not_come_back_is_skipped_by_every_resume(self):
        """As when the machine was at fault: the log of a healthy run says that step 38 was skipped, no checkpoint does."""
        run, settings = self.directory / "run", ["--set", "checkpoint.keep=100", "--threads", "1"]
        harness.spectra("train", self.recipe, "--out", run, *settings)
        for path in (run / "checkpoints").iterdir():
            if int(path.name[5:]) > 28:
                shutil.rmtree(path)
        lines = self.log(run)[:40]
        lines[37]["skipped"] = "nan"
        (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        for _ in range(2):  # killed twice before it gets there
            process = subprocess.Popen(self.command(run, "--resume", *settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            log = run / "log.jsonl"
            while process.poll() is None and not 29 <= log.read_text().count("\n") < 35:
                time.sleep(0.001)
            process.kill()
            process.wait()
            for path in (run / "checkpoints").iterdir():
                if int(path.name[5:]) > 28:
                    shutil.rmtree(path)  # it came further than the kill allowed for
        harness.spectra("train", self.recipe, "--out", run, "--resume", *settings)
        self.assertEqual([(line["step"], line["skipped"]) for line in self.log(run) if "skipped" in line], [(38, "nan")])
        state = self.trainer_state(self.checkpoint(run))
        self.assertEqual(state["faults"]["skipped"], [{"first": 37 * 16, "count": 16, "reason": "nan"}])
        self.assertEqual(state["updates"], STEPS - 1)


class Rewind(Training):
    def test_weights_in_doubt_go_back(self):
        settings = ["--set", "checkpoint.keep=100", "--set", "faults.rewind_after=3", "--threads", "1"]
        run = self.directory / "run"
        harness.spectra("train", self.recipe, "--out", run, *settings)
        for path in (run / "checkpoints").iterdir():
            if int(path.name[5:]) > 14:
                shutil.rmtree(path)
        poison(self.checkpoint(run, 14), 0)  # EOS: in every batch
        again = self.directory / "again"
        shutil.copytree(run, again)
        result = harness.spectra("train", self.recipe, "--out", run, "--resume", *settings)
        self.assertIn("back to the weights of", result.stderr)
        lines = self.log(run)
        self.assertEqual([line["step"] for line in lines if "skipped" in line], [15, 16, 17])
        self.assertEqual([(line["step"], line["rewound_to"]) for line in lines if "rewound_to" in line], [(17, 7)])
        self.assertFalse((self.checkpoint(run, 14) / "trainer.json").exists(), "no resume may begin at weights in doubt")
        state = self.trainer_state(self.checkpoint(run))
        self.assertEqual(state["faults"]["skipped"], [{"first": 7 * 16, "count": 10 * 16, "reason": "rewind"}])
        self.assertEqual((state["updates"], state["faults"]["rewinds"]), (STEPS - 10, 1))
        # Killed after the rewind and before the next checkpoint: the log knows what was given up.
        process = subprocess.Popen(self.command(again, "--resume", *settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and "rewound_to" not in (again / "log.jsonl").read_text():
            time.sleep(0.001)
        process.kill()
        process.wait()
        harness.spectra("train", self.recipe, "--out", again, "--resume", *settings)
        for name in ("model.safetensors", "trainer.safetensors"):
            self.assertEqual((self.checkpoint(run) / name).read_bytes(), (self.checkpoint(again) / name).read_bytes(), name)

    def test_without_an_older_checkpoint_it_ends(self):
        run = self.directory / "run"
        harness.spectra("train", self.recipe, "--out", run, "--set", "checkpoint.keep=100")
        for path in (run / "checkpoints").iterdir():
            if int(path.name[5:]) > 7:
                shutil.rmtree(path)
        poison(self.checkpoint(run, 7), 0)
        result = harness.spectra("train", self.recipe, "--out", run, "--resume", check=False)
        self.assertEqual(result.returncode, 1, result.stderr)
        for text in ("5 batches in a row", "no older checkpoint", "lower schedule.lr"):
            self.assertIn(text, result.stderr)
        self.assertTrue((self.checkpoint(run, 7) / "trainer.json").exists())


class LossScaling(Training):
    def test_a_scale_that_is_too_large_falls_and_grows_again(self):
        settings = ["--set", "train.precision=fp16", "--set", "loss_scale.initial=1099511627776", "--set", "loss_scale.window=10", "--threads", "1"]
        run, killed = self.directory / "run", self.directory / "killed"
        result = harness.spectra_json("train", self.recipe, "--out", run, *settings)
        lines = self.log(run)
        scale, good = 2.0 ** 40, 0
        for line in lines:
            self.assertEqual(line["loss_scale"], scale)
            if "skipped" in line:
                self.assertEqual(line["skipped"], "overflow")
                scale, good = scale / 2, 0
            else:
                good += 1
                if good == 10:
                    scale, good = scale * 2, 0
        overflows = [line for line in lines if "skipped" in line]
        self.assertGreater(len(overflows), 5)
        self.assertGreater(len(lines) - len(overflows), 30)
        self.assertEqual((result["skipped_batches"], result["skipped_tokens"]), (len(overflows), 512 * len(overflows)))
        self.assertEqual(result["lowest_loss_scale"], min(line["loss_scale"] / (2 if "skipped" in line else 1) for line in lines))
        self.assertLess(lines[-1]["loss"], lines[0]["loss"] - 0.1)
        # An overflow comes again by itself: a run that was killed after some ends with the same weights.
        process = subprocess.Popen(self.command(killed, *settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (self.checkpoint(killed, 14)).exists():
            time.sleep(0.002)
        process.kill()
        process.wait()
        harness.spectra("train", self.recipe, "--out", killed, "--resume", *settings)
        for name in ("model.safetensors", "trainer.safetensors", "trainer.json"):
            self.assertEqual((self.checkpoint(run) / name).read_bytes(), (self.checkpoint(killed) / name).read_bytes(), name)


if __name__ == "__main__":
    harness.main(harness.BINARY, MPIRUN or "mpirun")
