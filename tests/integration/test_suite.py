#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`spectra suite`: killed and continued, changed and run again, wrong files refused, failures contained."""
import json
import os
import random
import shutil
import signal
import subprocess
import time

import harness
from harness import spectra, spectra_json

SUITE = """name = "tiny"
families = ["float", "ternary"]
[data]
synthetic = "stories"
stories = 400
vocabulary = 400
[[size]]
name = "small"
hidden = 16
glu = 32
heads = 2
layers = 1
lr = 0.01
[[size]]
name = "large"
hidden = 32
glu = 64
heads = 2
layers = 2
lr = 0.01
[train]
tokens = 16_384
batch_tokens = 512
sequence = 64
[checkpoint]
every = 4
[validation]
tokens = 512
[quantize]
bits = [8, 3]
samples = 4
[evaluate]
tokens = 1000
[[arm]]
name = "two-shards"
family = "ternary"
sizes = ["small"]
model.shards = 2
"""


def models(directory):
    """What must not depend on how often the suite was stopped."""
    results = json.loads((directory / "results.json").read_text())
    return {m["name"]: {key: m[key] for key in ("training_loss", "validation_loss", "validation_tokens", "disk_bytes", "parameters")}
            for m in results["models"]}


def starts(directory):
    """Job -> times at which it was started: each leaves a file of its own time behind."""
    return {path.stem: path.stat().st_mtime_ns for path in (directory / "jobs").glob("*.json")}


class Suite(harness.Case):
    def setUp(self):
        super().setUp()
        self.file = self.directory / "tiny.toml"
        self.file.write_text(SUITE)
        self.command = ["suite", self.file, "--gflops", "100"]

    def start(self, out):
        return subprocess.Popen([str(harness.BINARY), *map(str, self.command), "--out", str(out)], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def test_killed_twice_it_ends_like_an_undisturbed_one(self):
        calm, killed = self.directory / "calm", self.directory / "killed"
        summary = spectra_json(*self.command, "--out", calm)
        self.assertEqual(summary["failed"], [])
        self.assertEqual(summary["done"], summary["jobs"])
        self.assertEqual(summary["ran"], summary["jobs"])
        seed = random.randrange(1 << 30)
        wait = random.Random(seed)
        done = {}
        for _ in range(2):
            process = self.start(killed)
            time.sleep(wait.uniform(0.1, 1.5))
            process.kill()
            process.communicate()
            now = starts(killed) if killed.exists() else {}
            for job, when in done.items():
                self.assertEqual(now.get(job), when, f"{job} was done twice (seed {seed})")
            done = now
        last = spectra_json(*self.command, "--out", killed)
        self.assertEqual(last["done"], last["jobs"], f"seed {seed}")
        self.assertEqual(last["ran"], last["jobs"] - len(done), f"seed {seed}")
        self.assertEqual(models(killed), models(calm), f"seed {seed}")
        self.assertTrue((killed / "report.html").stat().st_size > 1000)
        self.assertEqual(spectra_json(*self.command, "--out", killed)["ran"], 0)
        results = json.loads((killed / "results.json").read_text())
        self.assertTrue(results["finished"])
        self.assertEqual(len(results["models"]), 9)
        for model in results["models"]:
            self.assertEqual(model["validation_tokens"], 1000)
            self.assertTrue((killed / model["model"] / "config.json").exists())
        self.check_measure(killed, results)

    def check_measure(self, directory, results):
        """The suite's fp32 validation is that of training, which computes in bf16 or fp32 itself."""
        float_model = next(m for m in results["models"] if m["name"] == "float-large-seed1")
        losses = [json.loads(line) for line in (directory / float_model["run"] / "log.jsonl").read_text().splitlines()]
        own = spectra_json("perplexity", directory / float_model["model"], "--data", directory / "data", "--tokens", 512)
        self.assertEqual(own["tokens"], 512)
        self.assertAlmostEqual(own["nll"], losses[-1]["validation_loss"], delta=0.01)

    def test_a_change_runs_again_what_depends_on_it(self):
        out = self.directory / "study"
        spectra(*self.command, "--out", out)
        before = starts(out)
        self.file.write_text(SUITE.replace("bits = [8, 3]", "bits = [8, 3]\nmethod = \"rtn\""))
        summary = spectra_json(*self.command, "--out", out)
        after = starts(out)
        changed = {job for job in after if before.get(job) != after[job]}
        quantized = {f"{kind}-float-{size}-seed1-{bits}bit" for kind in ("quantize", "evaluate") for size in ("small", "large") for bits in (8, 3)}
        self.assertEqual(changed, quantized | {"report"})
        self.assertEqual(summary["ran"], len(changed))
        self.file.write_text(SUITE)
        self.assertEqual(spectra_json(*self.command, "--out", out)["ran"], 1, "old models and scores are back")
        self.file.write_text(SUITE.replace("every = 4", "every = 5"))
        self.assertEqual(spectra_json(*self.command, "--out", out)["ran"], 0, "checkpoints do not change the weights")
        self.file.write_text(SUITE.replace('name = "tiny"', 'name = "tiny"\ntitle = "Another title"'))
        self.assertEqual(spectra_json(*self.command, "--out", out)["ran"], 1)
        self.assertTrue("Another title" in (out / "report.html").read_text())

    def test_tasks_and_texts(self):
        out, data = self.directory / "study", harness.DATA / "eval/arc_easy-test.jsonl.gz"
        if not data.exists():
            self.skipTest(f"{data} not found")
        (self.directory / "held-out.txt").write_text("One morning a fox met a hen. " * 20)
        more = ["--set", "evaluate.tasks=arc_easy", "--set", "evaluate.limit=5", "--set", f"evaluate.texts={self.directory / 'held-out.txt'}"]
        self.assert_bad_input(*self.command, "--out", out, *more, says=["arc_easy: no data"])
        more += ["--set", f"evaluate.data=arc_easy={data}"]
        spectra(*self.command, "--out", out, *more)
        for model in json.loads((out / "results.json").read_text())["models"]:
            if model["arm"]:
                continue
            own = spectra_json("eval", out / model["model"], "--tasks", "arc_easy", "--limit", 5, "--data", f"arc_easy={data}")
            self.assertEqual(model["tasks"]["arc_easy"]["acc"], own["tasks"]["arc_easy"]["acc"])
            self.assertEqual(model["tasks"]["arc_easy"]["n"], 5)
            self.assertGreater(model["texts"]["held-out.txt"]["tokens"], 50)

    def test_the_page_follows_what_is_done(self):
        out = self.directory / "study"
        spectra(*self.command, "--out", out, "--only", "train-float-small-seed1")
        spectra(*self.command, "--out", out, "--only", "report")
        self.assertTrue(">1 model," in (out / "report.html").read_text())
        spectra(*self.command, "--out", out)
        self.assertTrue(">9 models," in (out / "report.html").read_text())
        # A result that a full disk has swallowed is no result.
        job = out / "jobs/evaluate-float-small-seed1.json"
        job.write_text(json.dumps(dict(json.loads(job.read_text()), result=None)))
        self.assertEqual(spectra_json(*self.command, "--out", out)["ran"], 2)
        empty = spectra(*self.command, "--out", self.directory / "new", "--only", "report", check=False)
        self.assertEqual(empty.returncode, 1)
        self.assertIn("1 jobs wait for others", empty.stderr)

    def test_what_is_not_ours_stays(self):
        out = self.directory / "project"
        (out / "jobs").mkdir(parents=True)
        (out / "data").mkdir()
        (out / "data/precious.csv").write_text("1")
        self.assert_bad_input(*self.command, "--out", out, says=["not a suite"])
        self.assert_bad_input(*self.command, "--out", out, "--emit", "slurm", says=["not a suite"])
        self.assertEqual(sorted(str(p.relative_to(out)) for p in out.rglob("*")), ["data", "data/precious.csv", "jobs"])
        study = self.directory / "study"
        spectra(*self.command, "--out", study, "--emit", "slurm")
        (study / "data").mkdir()
        (study / "data/precious.csv").write_text("1")
        result = spectra(*self.command, "--out", study, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("is in the way", result.stderr)
        self.assertTrue((study / "data/precious.csv").exists())

    def test_another_suite_stays_out(self):
        out = self.directory / "study"
        spectra(*self.command, "--out", out, "--only", "prepare")
        before = starts(out)
        self.file.write_text(SUITE.replace("tiny", "other"))
        result = spectra(*self.command, "--out", out, check=False)
        self.assertEqual(result.returncode, 3)
        self.assertIn("holds the suite tiny, not other", result.stderr)
        self.file.write_text(SUITE)
        self.assertIn("holds the suite tiny, not tiny-quick", spectra(*self.command, "--out", out, "--quick", check=False).stderr)
        self.assertEqual(starts(out), before)

    def test_an_interrupt_saves_and_says_how_to_go_on(self):
        out = self.directory / "study"
        self.file.write_text(SUITE.replace("16_384", "10_000_000").replace("every = 4", "every = 100_000"))
        process = self.start(out)
        run = out / "runs/float-large-seed1/log.jsonl"
        for _ in range(600):
            if run.exists() and run.stat().st_size > 0:
                break
            time.sleep(0.05)
        second = spectra(*self.command, "--out", out, check=False)
        self.assertEqual(second.returncode, 3)
        self.assertIn("another suite runs in", second.stderr)
        process.send_signal(signal.SIGINT)
        message = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 130, message)
        self.assertIn("the same command continues: spectra suite", message)
        self.assertTrue(any((out / "runs/float-large-seed1/checkpoints").iterdir()), "no checkpoint was saved")

    def test_a_failure_stops_what_needs_it_only(self):
        out = self.directory / "study"
        self.file.write_text(SUITE.replace("[evaluate]", "[evaluate]\ntexts = [\"" + str(self.directory / "empty.txt") + "\"]"))
        (self.directory / "empty.txt").write_text("")
        result = spectra(*self.command, "--out", out, "--json", check=False)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("logs/evaluate-", result.stderr)
        states = {job["name"]: job["state"] for job in json.loads((out / "results.json").read_text())["jobs"]}
        failed = {name for name, state in states.items() if state == "failed"}
        self.assertEqual(failed, {name for name in states if name.endswith("-empty.txt")})
        self.assertTrue(all(state == "done" for name, state in states.items() if name not in failed))

    def test_ranks_share_the_work(self):
        if shutil.which("mpirun") is None or spectra_json("doctor")["mpi"] in (None, "none"):
            self.skipTest("no MPI")
        environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_rmaps_base_oversubscribe="1")
        alone, shared = self.directory / "alone", self.directory / "shared"
        spectra(*self.command, "--out", alone)
        result = subprocess.run(["mpirun", "-n", "2", str(harness.BINARY), *map(str, self.command), "--jobs", "1", "--out", str(shared), "--json"],
                                env=environment, capture_output=True, text=True, timeout=600)
        self.assertEqual(result.returncode, 0, result.stderr)
        summary = json.loads(result.stdout)
        self.assertEqual((summary["done"], summary["failed"]), (summary["jobs"], []))
        self.assertEqual(models(shared), models(alone))

    def test_a_clusters_arrays_make_the_same_study(self):
        """sbatch is played by a script that runs an array's elements one after the other."""
        alone, cluster = self.directory / "alone", self.directory / "it's a cluster"
        spectra(*self.command, "--out", alone)
        spectra("suite", self.file, "--out", cluster, "--emit", "slurm")
        scripts = sorted((cluster / "slurm").iterdir())
        self.assertEqual([s.name for s in scripts], ["evaluate.sh", "pack.sh", "prepare.sh", "quantize.sh", "report.sh", "submit.sh", "train.sh"])
        for script in scripts:
            subprocess.run(["bash", "-n", script], check=True)
        (self.directory / "bin").mkdir()
        sbatch = self.directory / "bin/sbatch"
        sbatch.write_text("""#!/usr/bin/env python3
import os, re, subprocess, sys
arguments = sys.argv[1:]
assert arguments[:4] == ["--parsable", "--output", os.environ["LOGS"] + "/slurm-%x-%a.log", "--open-mode"], arguments
assert arguments[-3:-1] == ["--time", "1:00:00"], arguments
script = open(arguments[-1]).read()
assert not re.search("^#SBATCH .*['\\"]", script, re.M), "sbatch reads these lines as no shell does"
assert "--dependency" not in arguments or arguments[arguments.index("--dependency") + 1].startswith("afterany:7")
for i in range(int(re.search("#SBATCH --array=0-(.*)", script)[1]) + 1):  # one that fails does not stop the others
    subprocess.run(["bash", arguments[-1]], env=dict(os.environ, SLURM_ARRAY_TASK_ID=str(i)), stdout=sys.stderr)
print(7)
""")
        sbatch.chmod(0o755)
        subprocess.run([cluster / "slurm/submit.sh", "--time", "1:00:00"], check=True, capture_output=True, timeout=600,
                       env=dict(os.environ, PATH=f"{sbatch.parent}:{os.environ['PATH']}", LOGS=str(cluster / "logs")))
        self.assertEqual(models(cluster), models(alone))
        self.assertTrue(json.loads((cluster / "results.json").read_text())["finished"])
        self.assertTrue((cluster / "report.html").exists())
        early = spectra("suite", self.file, "--out", self.directory / "new", "--job", "train-float-small-seed1", check=False)
        self.assertEqual(early.returncode, 1)
        self.assertIn("needs prepare, which is not done", early.stderr)

    def test_wrong_files_are_refused_before_anything_runs(self):
        for old, new, says in (("families", "famileis", [":2: ", "unknown key famileis", "did you mean families?"]),
                               ("hidden = 16", "hidden = 17", [":7: ", "17"]),
                               ("tokens = 16_384", "tokens = -1", [":22: ", "train.tokens", "whole number"]),
                               ("bits = [8, 3]", "bits = [7]", [":30: ", "3, 4, 6, 8"]),
                               ("tokens = 1000", "tasks = [\"hellaswagg\"]", [":32: ", "hellaswagg"]),
                               ("families = [\"float\", \"ternary\"]", "families = []", [":2: ", "at least one"]),
                               ("samples = 4", "samples = 4\nsequence = 65", ["quantize.sequence = 65", "64"]),
                               ("vocabulary = 400", "vocabulary = 400\nvalid = \"x.txt\"", [":3: ", "data.valid", "text only"]),
                               ("synthetic = \"stories\"", "text = \"nowhere.txt\"\nvalid_fraction = 0.1", [":3: ", "nowhere.txt"])):
            with self.subTest(new):
                self.file.write_text(SUITE.replace(old, new, 1))
                self.assert_bad_input(*self.command, "--out", self.directory / "study", says=says)
        self.file.write_text(SUITE)
        (self.directory / "other").mkdir()
        (self.directory / "other/file").write_text("x")
        self.assert_bad_input(*self.command, "--out", self.directory / "other", says=["not a suite"])

    def test_the_papers_suite_is_planned(self):
        plan = spectra_json("suite", harness.SOURCE / "suites/spectra.toml", "--out", self.directory / "study", "--dry-run", "--gflops", 1e6)
        self.assertEqual(plan["models"], 54)
        self.assertEqual(plan["jobs"], {"prepare": 0, "train": 18, "quantize": 36, "pack": 9, "evaluate": 54, "report": 1})
        # 6 FLOPs a weight and token, attention on top: the nine sizes have 11.1e9 parameters without the embedding.
        self.assertTrue(1.0 < plan["flops"] / (2 * 6 * 11.1e9 * 300e9) < 1.3, plan["flops"])
        self.assertGreater(plan["disk_bytes"], 54 * 50e6)
        self.assertAlmostEqual(plan["seconds"], plan["flops"] / 1e15 / plan["side_by_side"], delta=0.01 * plan["seconds"])
        self.assert_bad_input("suite", harness.SOURCE / "suites/spectra.toml", "--out", self.directory / "study", says=["data/slimpajama"])

    def test_the_miniature_is_planned(self):
        plan = spectra_json("suite", harness.SOURCE / "suites/nano.toml", "--out", self.directory / "study", "--dry-run", "--gflops", 100)
        # Nine sizes of FloatLM, TriLM, BiLM and four QuantLMs; three schedules and the suite's own at three seeds; 2 and 6 shards.
        self.assertEqual(plan["models"], 9 * 7 + 3 * 3 + 2 + 2)
        quick = spectra_json("suite", harness.SOURCE / "suites/nano.toml", "--out", self.directory / "study", "--dry-run", "--gflops", 100, "--quick")
        self.assertEqual(quick["models"], 3 * 7)

    def test_what_does_not_fit_on_disk_is_refused(self):
        self.assert_bad_input(*self.command, "--out", self.directory / "study", "--set", "data.stories=1_000_000_000_000", code=5,
                              says=["the suite needs about", "are free"])


if __name__ == "__main__":
    harness.main()
