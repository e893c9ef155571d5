#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`spectra report` on suites and runs; its page in Chromium. SPECTRA_STUDY and SPECTRA_SCREENSHOTS: a suite and a folder for pictures of its page."""
import csv
import html.parser
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import unittest
import urllib.parse

import harness
from harness import spectra, spectra_json
from made_up_suite import Suite

ORACLES = harness.SOURCE / "build/oracles/node_modules"
DRIVER = pathlib.Path(__file__).with_name("report_page.mjs")
CHROMIUM = pathlib.Path(shutil.which("chromium") or "/usr/bin/chromium")
SIZES = ["0.8M", "1.3M", "2.5M", "5M"]
NOT_A_NUMBER = re.compile(r"\b(nan|inf)\b")
PAPER = ["99M", "190M", "390M", "560M", "830M", "1.1B", "1.5B", "2.4B", "3.9B"]


class Nesting(html.parser.HTMLParser):
    """Whether every element is closed in order."""
    VOID = {"meta", "link", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.faults, self.ids, self.targets = [], [], set(), set()
        self.feed(text)
        self.faults += [f"{name} is never closed" for name in self.open if name not in ("html",)]

    def handle_starttag(self, name, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            if attributes["id"] in self.ids:
                self.faults.append(f"id {attributes['id']} twice")
            self.ids.add(attributes["id"])
        if attributes.get("href", "").startswith("#"):
            self.targets.add(attributes["href"][1:])
        if name not in self.VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        pass

    def handle_endtag(self, name):
        if not self.open or self.open[-1] != name:
            self.faults.append(f"</{name}> at {self.getpos()} closes {self.open[-1:]}")
        else:
            self.open.pop()


def data_of(page, figure):
    """Rows of a figure's CSV, from the link in the page."""
    link = re.search(rf'download="{figure}\.csv" href="data:text/csv;charset=utf-8,([^"]*)"', page)
    return list(csv.DictReader(io.StringIO(urllib.parse.unquote(link.group(1)))))


class Report(harness.Case):
    def small_suite(self, seeds=2):
        suite = Suite(self.directory / "suite")
        for size in SIZES:
            for seed in range(1, seeds + 1):
                for family in ("float", "ternary", "binary"):
                    suite.add(family, size, seed)
                for bits in (8, 6, 4, 3):
                    suite.add("float", size, seed, bits=bits)
        for arm in ("no-lr-drop", "no-decay-end", "shards-2"):
            for seed in range(1, seeds + 1):
                suite.add("ternary", "2.5M", seed, arm)
        return suite

    def make(self, *arguments):
        out = self.directory / "out" / "report.html"
        spectra("report", *arguments, "--out", out)
        return out, out.read_text()

    def drive(self, page, pictures=""):
        command = ["node", DRIVER, page, ORACLES, CHROMIUM, pictures]
        result = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return json.loads(result.stdout)

    def check_views(self, seen):
        self.assertEqual(seen["problems"], [])
        self.assertEqual(seen["requests"], [])
        for name in ("light", "dark", "phone-light", "phone-dark"):
            view = seen["views"][name]
            self.assertEqual(view["faults"], [], name)
            self.assertEqual(view["overflow"], 0, name)
            self.assertGreater(view["figures"], 5)
        self.assertNotEqual(seen["views"]["light"]["background"], seen["views"]["dark"]["background"])
        self.assertGreaterEqual(seen["views"]["no script"]["figures"], seen["views"]["light"]["figures"])
        self.assertGreater(seen["views"]["no script"]["tables"], 1)

    def test_suite_in_chromium(self):
        suite = self.small_suite()
        document = suite.write()
        page, text = self.make(suite.directory)
        nesting = Nesting(text)
        self.assertEqual(nesting.faults, [])
        self.assertLessEqual(nesting.targets, nesting.ids)
        self.assertIsNone(re.search(r"https?://|<script src", text))
        self.assertIsNone(NOT_A_NUMBER.search(text))
        self.assertTrue("A made-up &lt;suite&gt;" in text)
        seen = self.drive(page)
        self.check_views(seen)
        self.assertEqual(seen["tip"], seen["expected"])
        self.assertEqual(seen["crosshair"], 1)
        self.assertTrue(seen["left"] and seen["escaped"])
        self.assertNotEqual(seen["key"], seen["next"])
        self.assertEqual(seen["sort"], "ascending")
        losses = sorted(model["validation_loss"] for model in document["models"])
        self.assertEqual([float(x) for x in seen["ascending"]], losses)
        self.assertEqual([float(x) for x in seen["descending"]], losses[::-1])
        self.assertEqual(seen["printed"], "none")
        self.assertEqual(seen["csv"].splitlines()[0].split(",")[0], "series")

    @unittest.skipUnless(os.environ.get("SPECTRA_SCREENSHOTS") and os.environ.get("SPECTRA_STUDY"), "pictures are made on demand")
    def test_pictures(self):
        page, _ = self.make(os.environ["SPECTRA_STUDY"])
        self.check_views(self.drive(page, os.environ["SPECTRA_SCREENSHOTS"]))

    def test_runs_in_chromium(self):
        suite = self.small_suite(seeds=1)
        runs = [suite.directory / "runs" / f"{family}-5M-seed1" for family in ("float", "ternary", "binary")]
        page, text = self.make(*runs)
        self.assertEqual(Nesting(text).faults, [])
        self.check_views(self.drive(page))

    def test_data_is_that_of_the_results(self):
        suite = self.small_suite()
        document = suite.write()
        _, text = self.make(suite.directory)
        saved = {row["model"]: row for row in data_of(text, "models")}
        self.assertEqual(len(saved), len(document["models"]))
        for model in document["models"]:
            self.assertEqual(float(saved[model["name"]]["validation loss"]), model["validation_loss"])
        losses = {model["name"]: model["validation_loss"] for model in document["models"]}
        for row in data_of(text, "quantization-loss"):
            quantized = losses[f"quant{row['bits']}-{row['size']}-seed{row['seed']}"]
            self.assertAlmostEqual(float(row["difference"]), quantized - losses[f"float-{row['size']}-seed{row['seed']}"], places=12)

    def test_a_suite_that_has_just_begun(self):
        suite = Suite(self.directory / "suite")
        suite.write(finished=False)
        _, text = self.make(suite.directory)
        self.assertTrue("Still running: 0 of 1 jobs done" in text)
        suite.add("float", "5M")
        suite.models[0]["validation_loss"] = None
        suite.write(finished=False)
        shutil.rmtree(suite.directory / "runs")  # moved away: told, not fatal
        out = spectra("report", suite.directory, "--out", self.directory / "r.html")
        self.assertIn("the run of float-5M-seed1 cannot be read", out.stderr)
        self.assertIsNone(NOT_A_NUMBER.search((self.directory / "r.html").read_text()))

    def test_the_whole_papers_suite_fits_in_5_megabytes(self):
        suite = Suite(self.directory / "suite")
        for size in PAPER:
            for family in ("float", "ternary", "binary"):
                suite.add(family, size, steps=1500)
            for bits in (8, 6, 4, 3):
                suite.add("float", size, bits=bits)
        for arm in range(20):
            suite.add("ternary", "1.1B", arm=f"arm-{arm}", steps=1500)
        suite.write()
        page, text = self.make(suite.directory)
        self.assertEqual(len(data_of(text, "models")), 63 + 20)
        self.assertLess(page.stat().st_size, 5_000_000)
        self.check_views(self.drive(page))

    def test_watch_follows_until_the_suite_has_finished(self):
        suite = Suite(self.directory / "suite")
        suite.write(finished=False)
        page = self.directory / "r.html"
        with subprocess.Popen([harness.BINARY, "report", suite.directory, "--watch", "1", "--out", page], stderr=subprocess.PIPE) as process:
            self.wait(lambda: page.exists() and 'http-equiv="refresh" content="1"' in page.read_text())
            suite.add("ternary", "5M")
            suite.write(finished=False)
            self.wait(lambda: "ternary-5M-seed1" in page.read_text())
            suite.write(finished=True)
            self.assertEqual(process.wait(timeout=60), 0)
        self.assertFalse("http-equiv" in page.read_text())
        self.assertTrue("Finished: 1 of 1 jobs done" in page.read_text())

    def test_watch_ends_by_a_signal(self):
        suite = Suite(self.directory / "suite")
        suite.add("ternary", "5M")
        page = self.directory / "r.html"
        with subprocess.Popen([harness.BINARY, "report", suite.directory / "runs/ternary-5M-seed1", "--watch", "1", "--out", page], stderr=subprocess.PIPE) as process:
            self.wait(lambda: page.exists() and "http-equiv" in page.read_text())
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=60), 130)
        self.assertFalse("http-equiv" in page.read_text())

    def wait(self, condition):
        for _ in range(600):
            if condition():
                return
            time.sleep(0.1)
        self.fail("waited for a minute")

    def test_comparison(self):
        suite = Suite(self.directory / "suite")
        weights = [suite.checkpoint(family) for family in ("float", "ternary")]
        suite.add("ternary", "5M")
        result = {"schema": "spectra.compare/1", "activations": "fp32",
                  "a": {"path": str(weights[0]), "disk_bytes": 1000, "linear_bytes": 800, "bits_per_linear_weight": 16.0, "decode_tokens_per_second": 0},
                  "b": {"path": "<b>", "disk_bytes": 500, "linear_bytes": 100, "bits_per_linear_weight": 2.0, "decode_tokens_per_second": 0},
                  "tests": [{"task": "sciq", "metric": "acc", "compared": "metric", "n": 100, "a": 0.5, "b": 0.4375, "difference": -0.0625, "low": -0.125, "high": 0.03125,
                             "bootstrap_p": 0.2, "mcnemar": {"only_a": 9, "only_b": 3, "exact_p": 0.15, "mid_p": 0.125}, "holm_p": 0.25}],
                  "text": {"tokens": 512, "kl": 0.25, "kl_stderr": 0.01, "top1_agreement": 0.75, "perplexity_a": 9.0, "perplexity_b": 10.0}}
        file = self.directory / "compare.json"
        file.write_text(json.dumps(result))
        _, text = self.make(suite.directory / "runs/ternary-5M-seed1", "--compare", file)
        self.assertEqual(Nesting(text).faults, [])
        self.assertTrue("0 of 1 tests differ" in text)
        self.assertTrue("B: &lt;b&gt;" in text)
        self.assertTrue('class="whisker"' in text)
        saved = data_of(text, "comparison-1")[0]
        self.assertEqual([float(saved[key]) for key in ("difference", "low", "high", "p", "holm_p")], [-0.0625, -0.125, 0.03125, 0.125, 0.25])
        file.write_text("{}")
        self.assert_bad_input("report", suite.directory / "runs/ternary-5M-seed1", "--compare", file, "--out", self.directory / "c.html", says=["compare --json"])

    def test_bad_results_are_named(self):
        suite = Suite(self.directory / "suite")
        suite.add("float", "5M")
        document = suite.write()
        document["models"][0]["family"] = "quaternary"
        (suite.directory / "results.json").write_text(json.dumps(document))
        self.assert_bad_input("report", suite.directory, "--out", self.directory / "r.html", says=["results.json", "models[0].family"])

    def test_what_is_read_is_not_written_over(self):
        suite = Suite(self.directory / "study")
        suite.add("float", "5M")
        suite.write()
        study = suite.directory
        before = (study / "results.json").read_bytes()
        for out in (study / "results.html", self.directory / "page.json", self.directory / "page"):
            result = spectra("report", study, "--out", out, check=False)
            self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual((study / "results.json").read_bytes(), before)
        self.assertEqual([p.name for p in self.directory.iterdir()], ["study"])
        missing = spectra("report", self.directory / "nowhere", "--watch", 1, "--out", self.directory / "page.html", check=False)
        self.assertEqual(missing.returncode, 3)
        self.assertIn("there is no", missing.stderr)

    def test_json_names_the_files(self):
        suite = Suite(self.directory / "suite")
        suite.add("float", "5M")
        suite.write()
        told = spectra_json("report", suite.directory, "--out", self.directory / "r.html")
        self.assertEqual(told["schema"], "spectra.report_files/1")
        self.assertEqual(json.loads(pathlib.Path(told["json"]).read_text())["runs"][0]["name"], "float-5M-seed1")
        self.assertIn("<svg xmlns", pathlib.Path(told["svg"]).read_text())


if __name__ == "__main__":
    harness.main(ORACLES / "playwright-core", CHROMIUM)
