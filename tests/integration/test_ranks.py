#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training on several ranks: the same gradients, the same losses, and with reduction groups the same bits."""
import math
import os
import pathlib
import shutil
import signal
import subprocess
import time

import harness
from training import STEPS, Training, read_tensors

MPIRUN = shutil.which("mpirun")
BITS = ("model.safetensors", "trainer.safetensors")


class Ranks(Training):
    def ranks(self, n, run, *more, **kwargs):
        """One thread a rank: with other threads oneDNN may add in another order."""
        launch = [MPIRUN, "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(n)] if n > 1 else []
        command = [*launch, *self.command(run, "--threads", "1", *more)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)

    def train(self, n, run, *more):
        process = self.ranks(n, run, *more)
        output, errors = process.communicate(timeout=600)
        self.assertEqual(process.returncode, 0, errors)
        return output

    def sets(self, **values):
        return [part for key, value in values.items() for part in ("--set", f"{key.replace('__', '.')}={value}")]

    def assert_same_bits(self, a, b):
        for name in BITS:
            self.assertEqual((a / name).read_bytes(), (b / name).read_bytes(), f"{a} and {b}: {name}")

    def gradient(self, n, precision):
        """Of the first step: without clipping the first moment is (1 - beta1) times the gradient."""
        run = self.directory / f"gradient-{precision}-{n}"
        self.train(n, run, *self.sets(train__tokens=512, train__precision=precision, optimizer__clip=0, train__micro_batch=4))
        tensors = read_tensors(self.checkpoint(run, 1) / "trainer.safetensors")
        return {name: values for name, (_, values) in tensors.items() if name.startswith("moment1.")}

    def distance(self, a, b):
        """Relative, in the Frobenius norm over all parameters."""
        difference = sum((x - y) ** 2 for name in a for x, y in zip(a[name], b[name]))
        return math.sqrt(difference / sum(x * x for values in a.values() for x in values))

    def test_gradients_agree(self):
        bars = {"fp32": 1e-5}
        if "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text():
            bars["bf16"] = 2e-3
        for precision, bar in bars.items():
            one = self.gradient(1, precision)
            for n in (2, 4):
                distance = self.distance(one, self.gradient(n, precision))
                print(f"{precision}, {n} ranks: {distance:.2e}")
                self.assertLessEqual(distance, bar, f"{precision}, {n} ranks")

    def test_losses_of_a_float_model_agree(self):
        settings = self.sets(model__family="float", train__precision="fp32", train__tokens=50 * 512, train__micro_batch=4)
        for n in (1, 2, 4):
            self.train(n, self.directory / f"float-{n}", *settings)
        one = [line["loss"] for line in self.log(self.directory / "float-1")]
        self.assertEqual(len(one), 50)
        for n in (2, 4):
            other = [line["loss"] for line in self.log(self.directory / f"float-{n}")]
            self.assertLessEqual(max(abs(a - b) for a, b in zip(one, other)), 1e-5)

    def test_reduction_groups_give_the_same_bits(self):
        settings = self.sets(train__reduction_groups=4, train__micro_batch=4)
        for n in (1, 2, 4):
            self.train(n, self.directory / f"tri-{n}", *settings)
        for n in (2, 4):
            self.assert_same_bits(self.checkpoint(self.directory / "tri-1"), self.checkpoint(self.directory / f"tri-{n}"))
            losses = [[line["loss"] for line in self.log(self.directory / f"tri-{m}")] for m in (1, n)]
            self.assertEqual(*losses)

    def test_every_number_of_ranks_repeats_its_bits(self):
        for n in (2, 3, 4):
            settings = self.sets(train__batch_tokens=768, train__micro_batch=2, train__tokens=768 * 10)
            for name in ("a", "b"):
                self.train(n, self.directory / f"{name}-{n}", *settings)
            self.assert_same_bits(self.checkpoint(self.directory / f"a-{n}", 10), self.checkpoint(self.directory / f"b-{n}", 10))

    def test_a_run_moves_between_numbers_of_ranks(self):
        settings = self.sets(train__reduction_groups=4, train__micro_batch=4, checkpoint__keep=100)
        self.train(1, self.directory / "whole", *settings)
        moving = self.directory / "moving"
        for n, keep_until in ((1, 14), (2, 28), (4, 42), (1, STEPS)):
            self.train(n, moving, "--resume", *settings)
            for path in (moving / "checkpoints").glob("step-*"):
                if int(path.name[5:]) > keep_until:
                    shutil.rmtree(path)  # as if it had stopped there
        self.assert_same_bits(self.checkpoint(self.directory / "whole"), self.checkpoint(moving))

    def wait_for_steps(self, run, process, steps=3):
        log = run / "log.jsonl"
        while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= steps):
            time.sleep(0.01)

    def test_a_rank_that_dies_ends_the_others(self):
        settings = self.sets(train__reduction_groups=2, train__tokens=STEPS * 5120, train__batch_tokens=5120)
        self.train(2, self.directory / "whole", *settings)
        run = self.directory / "killed"
        process = self.ranks(2, run, *settings)
        self.wait_for_steps(run, process, 10)
        os.kill(self.children(process)[-1], signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("signal 9", errors)
        self.train(2, run, "--resume", *settings)
        self.assert_same_bits(self.checkpoint(self.directory / "whole"), self.checkpoint(run))

    def test_a_signal_to_one_rank_stops_all_with_a_checkpoint(self):
        settings = self.sets(train__reduction_groups=2, train__tokens=STEPS * 5120, train__batch_tokens=5120)
        run = self.directory / "stopped"
        process = self.ranks(2, run, *settings)
        self.wait_for_steps(run, process)
        os.kill(self.children(process)[-1], signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, errors)
        self.assertIn("--resume", errors)
        steps = [line["step"] for line in self.log(run)]
        self.assertTrue((self.checkpoint(run, steps[-1]) / "trainer.json").exists())

    def test_ranks_with_different_recipes_are_refused(self):
        one = self.command(self.directory / "run", "--threads", "1")
        command = [MPIRUN, "--allow-run-as-root", "--oversubscribe", "-n", "1", *one, ":", "-n", "1", *one, "--set", "train.seed=7"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("rank 1 has another recipe", result.stderr)

    def test_a_directory_that_cannot_be_made_ends_all_ranks(self):
        (self.directory / "file").write_text("")
        process = self.ranks(2, self.directory / "file" / "run")
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 3, errors)
        self.assertIn("cannot make", errors)

    def test_what_cannot_be_shared_is_refused(self):
        for n, settings, says in ((3, {}, "3 ranks with micro-batches of 8 do not divide the 16 sequences"),
                                  (3, {"train__reduction_groups": 2, "train__micro_batch": 8}, "cannot be shared by 3 ranks")):
            process = self.ranks(n, self.directory / "run", *self.sets(**settings))
            _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 3, errors)
            self.assertIn(says, errors)
            self.assertFalse((self.directory / "run").exists())


if __name__ == "__main__":
    harness.main(harness.BINARY, MPIRUN or "mpirun")
