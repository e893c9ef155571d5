# SPDX-License-Identifier: Apache-2.0
"""How long OpenMP's threads spin before they sleep: train sets it by starting itself anew, where the user has not."""
import os
import pathlib
import signal
import subprocess
import time

import harness
import training

VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


class OpenmpSpin(training.Training):
    def started(self, *options, **variables):
        """The environment and the arguments that the system has of a training under way, which is then interrupted."""
        run = self.directory / "run"
        command = self.command(run, *options)
        environment = {key: value for key, value in os.environ.items() if key not in VARIABLES} | variables
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
            self.addCleanup(process.kill)
            while not (run / "log.jsonl").exists():  # by then it has started itself anew, if ever
                self.assertIsNone(process.poll())
                time.sleep(0.01)
            proc = pathlib.Path(f"/proc/{process.pid}")
            seen = dict(entry.split("=", 1) for entry in (proc / "environ").read_text().split("\0") if entry)
            self.assertEqual((proc / "cmdline").read_text().split("\0")[:-1], command)
            self.assertEqual((proc / "comm").read_text(), harness.BINARY.name + "\n")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(), 130)
        return seen

    def setUp(self):
        super().setUp()
        self.recipe = self.write_recipe("long.toml", tokens=10_000_000)

    def test_train_sets_it(self):
        seen = self.started("--set", "train.seed=2", KEPT="a value")
        self.assertGreater(int(seen["GOMP_SPINCOUNT"]), 0)
        self.assertEqual(seen["KEPT"], "a value")

    def test_the_users_own_choice_stays(self):
        self.assertEqual(self.started(GOMP_SPINCOUNT="77")["GOMP_SPINCOUNT"], "77")

    def test_a_wait_policy_is_enough(self):
        self.assertNotIn("GOMP_SPINCOUNT", self.started(OMP_WAIT_POLICY="PASSIVE"))


if __name__ == "__main__":
    harness.main()
