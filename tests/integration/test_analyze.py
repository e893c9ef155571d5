#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""spectra analyze: its tables as text, JSON and CSV, on a run, its models and files."""
import csv
import io

import harness
from harness import spectra, spectra_json

LOSSES = harness.SOURCE / "examples/losses.csv"


class Analyze(harness.Case):
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
        inspected = spectra_json("inspect", self.directory / "packed")
        everything = spectra_json("analyze", "weights", self.directory / "packed")["tables"]["projections"][-1]
        self.assertEqual(everything["weights"], inspected["parameters"]["linear"])
        self.assertAlmostEqual(everything["zero_fraction"], inspected["zero_fraction"], places=12)

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
        self.assert_bad_input("analyze", "paper", "diagrams", says=["diagrams", "scores"])
        self.assert_bad_input("analyze", "dynamics", d, says=["log.jsonl"])
        self.assert_bad_input("analyze", "memory", "--bits", "4,x", says=["--bits"], code=2)
        self.assert_bad_input("analyze", "scaling", says=["a suite or a CSV file"], code=2)
        self.assert_bad_input("analyze", "tea-leaves", says=["tea-leaves"], code=2)


if __name__ == "__main__":
    harness.main()
