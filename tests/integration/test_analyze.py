#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""spectra analyze: its tables as text, JSON and CSV, on a run, its models and files."""
import csv
import io
import json

import harness
from harness import spectra, spectra_json

LOSSES = harness.SOURCE / "examples/losses.csv"


def model(family, size, seed, loss, arm="", run=None, tasks=None):
    """One of a suite's models, of `size` thousand linear parameters."""
    return {"name": f"{family}-{size}k{'-' if arm else ''}{arm}-seed{seed}", "family": family, "quantized_bits": 0, "size": f"{size}k", "arm": arm,
            "seed": seed, "shards": 1, "parameters": 2000 * size, "linear_parameters": 1000 * size, "bits_per_weight": 16,
            "size_bits": 32000 * size, "disk_bytes": 4000 * size, "tokens": 20480, "model": "nowhere", "run": run, "parent": None,
            "training_loss": loss, "validation_loss": loss, "validation_tokens": 512, "tasks": tasks or {}, "texts": {}}


class Analyze(harness.Case):
    def suite(self, *models):
        directory = self.directory / "suite"
        directory.mkdir(exist_ok=True)
        (directory / "results.json").write_text(json.dumps(
            {"schema": "spectra.suite/1", "name": "made-up", "title": "Made up", "suite_sha256": "ab", "version": "0", "machine": "", "started": "",
             "command": "", "seconds": 1, "finished": True, "data": [], "jobs": [], "models": models}))
        return directory

    def train(self):
        d = self.directory
        spectra("prepare", "--synthetic", "stories", "--stories", 200, "--train-tokenizer", 400, "--out", d / "data")
        spectra("train", harness.SOURCE / "recipes/demo-tri.toml", "--set", f"data.path={d}/data", "--set", "train.tokens=20480", "--set",
                "train.batch_tokens=1024", "--set", "train.sequence=128", "--set", "validation.tokens=512", "--set", "checkpoint.every=10",
                "--out", d / "run")
        return d / "run"

    def test_a_run_and_its_models(self):
        run = self.train()
        checkpoints = sorted((run / "checkpoints").iterdir())
        self.assertEqual(len(checkpoints), 2)
        spectra("pack", checkpoints[1], "--format", "1.6bit", "--out", self.directory / "packed")
        dynamics = spectra_json("analyze", "dynamics", run)["tables"]
        self.assertEqual(dynamics["runs"][0]["tokens"], 20480)
        ratios = spectra_json("analyze", "relative", run, run, "--windows", 4)["tables"]["relative"]
        self.assertEqual([row["ratio"] for row in ratios], [1, 1, 1, 1])
        flips = spectra_json("analyze", "connections", run)["tables"]["flips"]
        whole = flips[-1]
        self.assertEqual((whole["from"], whole["to"], whole["layer"]), (*(c.name for c in checkpoints), "all"))
        self.assertTrue(0 < whole["to_zero"] + whole["from_zero"] + whole["sign_changes"] < 1)
        # Packed or not, a model has the same weights.
        for analysis in ("weights", "connections"):
            unpacked, packed = (spectra_json("analyze", analysis, m)["tables"] for m in (checkpoints[1], self.directory / "packed"))
            self.assertEqual(unpacked, packed)
        self.assertIn("these are ternary weights", spectra("analyze", "weights", checkpoints[1]).stdout)
        inspected = spectra_json("inspect", self.directory / "packed")
        everything = spectra_json("analyze", "weights", self.directory / "packed")["tables"]["projections"][-1]
        self.assertEqual(everything["weights"], inspected["parameters"]["linear"])
        self.assertAlmostEqual(everything["zero_fraction"], inspected["zero_fraction"], places=12)

        # A suite: every low-bit run beside the FloatLMs of the two next smaller sizes, of its seed where there is one; no ablations.
        suite = self.suite(*(model("float", size, seed, 3, run=str(run)) for size in (1, 2, 4) for seed in (1, 2)),
                           model("ternary", 4, 1, 3, run=str(run)), model("ternary", 4, 2, 3, run=str(run)),
                           model("ternary", 4, 1, 3, "constant-lr", run=str(run)), model("ternary", 2, 3, 3, run=str(run)))
        pairs = spectra_json("analyze", "relative", suite, "--windows", 50)["tables"]["pairs"]
        self.assertEqual([(row["run"], row["base"]) for row in pairs],
                         [("ternary-4k-seed1", "float-2k-seed1"), ("ternary-4k-seed1", "float-1k-seed1"), ("ternary-4k-seed2", "float-2k-seed2"),
                          ("ternary-4k-seed2", "float-1k-seed2"), ("ternary-2k-seed3", "float-1k-seed1")])
        self.assertEqual({row["mean_ratio"] for row in pairs}, {1})
        self.assert_bad_input("analyze", "relative", suite, run, says=["one suite alone"], code=2)
        events = spectra_json("analyze", "dynamics", suite, "--window", 20)["tables"]["events"]
        self.assertEqual({row["event"] for row in events if row["run"] == "ternary-4k-seed1"}, {"lr_drop", "decay_off"})
        for row in events:
            self.assertAlmostEqual(row["mean_change"], row["loss_after"] - row["loss_before"], places=12)
            self.assertGreater(row["jump_error"], 0)

    def test_pareto_of_a_suite(self):
        scores = lambda perplexity, acc: {"lambada": {"perplexity": perplexity, "acc": acc, "n": 10}, "crows": {"pct_stereotype": 0.5, "n": 10}}
        # By the mean over seeds float 2k is worse than float 1k, though one of its seeds has the least loss of all.
        suite = self.suite(model("float", 1, 1, 3.0, tasks=scores(60, 0.3)), model("float", 2, 1, 2.8, tasks=scores(50, 0.4)),
                           model("float", 2, 2, 3.4, tasks=scores(50, 0.4)), model("float", 4, 1, 2.9, tasks=scores(100, 0.2)),
                           model("float", 4, 2, 2.9, "constant-lr", tasks=scores(1, 1)))
        rows = spectra_json("analyze", "pareto", suite)["tables"]["models"]
        self.assertEqual([(row["name"], row["seeds"], row["best_by_bits"]) for row in rows],
                         [("FloatLM 1k", 1, "yes"), ("FloatLM 2k", 2, "no"), ("FloatLM 4k", 1, "yes")])
        self.assertAlmostEqual(rows[1]["loss"], 3.1)
        self.assertAlmostEqual(rows[1]["loss_high"] - 3.1, 12.706 * 0.3, places=3)  # Student's t with one degree of freedom
        self.assertIsNone(rows[0]["loss_high"])
        for score in ("lambada:perplexity", "lambada:acc", "lambada"):
            rows = spectra_json("analyze", "pareto", suite, "--score", score)["tables"]["models"]
            self.assertEqual([row["best_by_parameters"] for row in rows], ["yes", "yes", "no"], score)
        self.assert_bad_input("analyze", "pareto", suite, "--score", "crows:pct_stereotype", says=["neither", "perplexity"], code=2)
        self.assert_bad_input("analyze", "pareto", suite, "--score", "lambada:luck", says=["no metric luck"], code=2)
        self.assert_bad_input("analyze", "pareto", suite, "--score", "piqa", says=["no model has the score piqa"])
        file = self.directory / "a.csv"
        file.write_text("kind,parameters,loss\nTriLM,1e6,3\nFloatLM,1e6,3\nFloatLM,2e6,3\n")
        rows = spectra_json("analyze", "pareto", file)["tables"]["models"]
        self.assertEqual([row["best_by_parameters"] for row in rows], ["yes", "yes", "no"])  # equal models are equally good
        self.assertEqual([row["best_by_bits"] for row in rows], [None] * 3)  # sizes in bits are not known
        file.write_text("kind,parameters,loss\n")
        self.assert_bad_input("analyze", "pareto", file, says=["no model has a loss"])

    def test_bias_of_a_suite(self):
        crows = lambda share: {"crows_pairs_english": {"pct_stereotype": share, "pct_stereotype_stderr": 0.01, "likelihood_diff": 3.5, "n": 10}}
        suite = self.suite(model("float", 1, 1, 3, tasks=crows(0.5)), model("float", 1, 2, 3, tasks=crows(0.54)), model("ternary", 1, 1, 3))
        tables = spectra_json("analyze", "bias", suite)["tables"]
        self.assertEqual([(row["kind"], row["size"], row["toxigen"]) for row in tables["bias"]], [("FloatLM", "1k", None)])
        self.assertAlmostEqual(tables["bias"][0]["crows_stereotype"], 52)
        stereotype, difference = tables["intervals"]
        self.assertEqual((stereotype["measure"], stereotype["seeds"]), ("crows_stereotype", 2))
        self.assertAlmostEqual(stereotype["value_high"] - 52, (1.96 ** 2 + 25.412 ** 2) ** 0.5, places=2)
        self.assertIsNone(difference["value_low"])  # no standard error
        self.assert_bad_input("analyze", "bias", self.suite(model("float", 1, 1, 3)), says=["crows_pairs_english"])

    def test_long_tables_show_both_ends(self):
        file = self.directory / "many.csv"
        file.write_text("kind,parameters,loss,name\n" + "".join(f"TriLM,{i}e6,3,model-{i:03}\n" for i in range(1, 101)))
        text = spectra("analyze", "pareto", file).stdout
        for row in (1, 20, 81, 100):
            self.assertIn(f"model-{row:03}", text)
        for row in (21, 80):
            self.assertNotIn(f"model-{row:03}", text)
        self.assertIn("60 more: --csv and --json give all 100 rows", text)
        self.assertEqual(text.count("model-"), 40)

    def test_tables_as_text_and_csv(self):
        file = self.directory / "fits.csv"
        text = spectra("analyze", "scaling", LOSSES, "--csv", file).stdout
        tables = spectra_json("analyze", "scaling", LOSSES)["tables"]
        self.assertEqual(list(tables), ["fits", "gaps"])
        for name, path in (("fits", file), ("gaps", self.directory / "fits-gaps.csv")):
            self.assertIn(name, text)
            rows = list(csv.DictReader(io.StringIO(path.read_text())))
            self.assertEqual(len(rows), len(tables[name]))
            for row, expected in zip(rows, tables[name]):
                for column, value in expected.items():
                    self.assertEqual(float(row[column]) if isinstance(value, float) else row[column], value if value is not None else "")
        for kind, alpha in ((row["kind"], row["alpha"]) for row in tables["fits"]):
            self.assertAlmostEqual(alpha, 0.26, delta=0.005, msg=kind)

    def scaling(self, lines, *options):
        file = self.directory / "points.csv"
        file.write_text("\n".join(lines) + "\n")
        return spectra_json("analyze", "scaling", file, *options)["tables"]

    def test_scaling_of_seeds_tokens_and_gaps(self):
        sizes = [1e6, 3e6, 1e7, 3e7, 1e8]
        laws = {"FloatLM": (159, 1.67), "TriLM": (185, 1.76)}
        header = "kind,parameters,loss,tokens"

        def rows(tokens, seeds=(0.01, -0.01)):
            return [f"{kind},{n},{a / n ** 0.26 + 50 / d ** 0.3 + offset + error},{d}" for kind, (a, offset) in laws.items() for n in sizes
                    for d in tokens(n) for error in seeds]
        # Two seeds of a size are one point, whose mean is on the law.
        tables = self.scaling([header, *rows(lambda n: [1e9])])
        fit = tables["fits"][1]
        self.assertEqual((fit["kind"], fit["sizes"], fit["models"]), ("TriLM", 5, 10))
        self.assertAlmostEqual(fit["alpha"], 0.26, places=6)
        gap = tables["gaps"][0]
        self.assertEqual(gap["extrapolated"], "yes" if gap["parameters"] > 1e8 else "no")
        self.assertTrue(gap["limit_low"] <= gap["limit_percent"] <= gap["limit_high"])
        self.assertIsNone(self.scaling([header, *rows(lambda n: [1e9])], "--pure")["gaps"][0]["limit_percent"])
        # A model whose tokens are not known is not in the law of tokens, wherever it stands.
        grid = rows(lambda n: [1e9, 1e10, 1e11], seeds=(0, 0.001))
        self.assertEqual(self.scaling([header, *grid])["tokens"][0]["points"], 15)
        unknown = "TriLM,1e6,9,"
        first, last = self.scaling([header, unknown, *grid])["tokens"], self.scaling([header, *grid, unknown])["tokens"]
        self.assertEqual({row["kind"]: row for row in first}, {row["kind"]: row for row in last})
        self.assertEqual(first[0]["models"], 30)
        # Tokens that go with the parameters determine no law of both.
        self.assertNotIn("tokens", self.scaling([header, *rows(lambda n: [20 * n])]))
        text = spectra("analyze", "scaling", self.directory / "points.csv").stdout
        self.assertIn("no law of parameters and tokens for TriLM: sizes and numbers of tokens go together", text)
        bootstrap = self.scaling([header, *rows(lambda n: [1e9])], "--bootstrap", 200)["fits"][0]
        self.assertTrue(bootstrap["alpha_low"] <= bootstrap["alpha"] <= bootstrap["alpha_high"])
        self.assert_bad_input("analyze", "scaling", LOSSES, "--bootstrap", 20, says=["--bootstrap 20", "200"], code=2)

    def test_what_needs_no_input(self):
        self.assertEqual(len(spectra_json("analyze", "hardware")["tables"]["accelerators"]), 18)
        self.assertEqual(len(spectra_json("analyze", "paper", "scores")["tables"]["scores"]), 57)
        speed = {row["shape"]: row for row in spectra_json("analyze", "memory", "--bits", "1.58")["tables"]["speedup"]}
        self.assertAlmostEqual(speed["7B"]["1.58_bits"], 4.45, delta=0.01)

    def test_bad_input(self):
        d = self.directory
        (d / "two.csv").write_text("kind,parameters,loss\nTriLM,1e6,3\nTriLM,2e6,2.9\n")
        self.assert_bad_input("analyze", "scaling", d / "two.csv", says=["two.csv", "three sizes"])
        self.assert_bad_input("analyze", "scaling", d / "nowhere.csv", says=["nowhere.csv"])
        self.assert_bad_input("analyze", "pareto", LOSSES, "--score", "piqa", says=["not a suite"])
        self.assert_bad_input("analyze", "scaling", LOSSES, "--csv", d, says=[f"{d} is a directory", "tables.csv"])
        self.assert_bad_input("analyze", "scaling", LOSSES, "--csv", d / "nodir/x.csv", says=["there is no directory", "nodir"])
        self.assert_bad_input("analyze", "paper", "diagrams", says=["diagrams", "scores"])
        self.assert_bad_input("analyze", "dynamics", d, says=["log.jsonl"])
        self.assert_bad_input("analyze", "memory", "--bits", "4,x", says=["--bits"], code=2)
        self.assert_bad_input("analyze", "scaling", says=["a suite or a CSV file"], code=2)
        self.assert_bad_input("analyze", "tea-leaves", says=["tea-leaves"], code=2)


if __name__ == "__main__":
    harness.main()
