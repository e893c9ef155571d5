#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""spectra eval: scores of a real model, continuing, and what it says of broken data and tasks."""
import gzip
import hashlib
import json
import shutil
import signal
import subprocess
import time

import harness
from harness import spectra, spectra_json

DATA = harness.DATA / "eval"
REFERENCE = harness.BINARY.parent / "tests/eval_reference"
LLAMA2C = harness.DATA / "model/stories260k"
PIQA = {"goal": "Boil water", "sol1": "Heat it", "sol2": "Freeze it", "label": 0}


class Eval(harness.Case):
    def model(self):
        spectra("convert", LLAMA2C / "stories260K.bin", self.directory / "model", "--tokenizer", LLAMA2C / "tok512.bin")
        return self.directory / "model"

    def piqa(self, *records):
        """A data directory with these records as PIQA's validation split."""
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
        (data / "validation.jsonl").write_text("".join(line + "\n" for line in lines))
        return data

    def refused(self, *arguments, says, code=3):
        return self.assert_bad_input("eval", *arguments, says=says, code=code)

    def test_requests_are_those_of_the_harness(self):
        reference = json.loads((DATA / "harness-0.3.0-reference.json").read_text())
        file = self.directory / "requests.json"
        spectra("eval", "--tasks", "piqa-0.3.0", "--data", DATA, "--dump-requests", file)
        self.assertEqual(hashlib.sha256(file.read_bytes()).hexdigest(), reference["piqa"]["requests_sha256"])

    def test_a_model_is_scored_and_every_kind_of_task_runs(self):
        file = self.directory / "scores.jsonl"
        tasks = "arc_easy,piqa,lambada_openai,mmlu_continuation,crows_pairs_english,triviaqa,wikitext"
        text = self.directory / "wikitext-test.jsonl"
        text.write_text(json.dumps({"page": " = A page = \n The tall man , who ( never ) came home . \n"}) + "\n")
        result = spectra_json("eval", self.model(), "--tasks", tasks, "--data", DATA, "--data", f"wikitext={text}", "--limit", 2,
                              "--dump-scores", file)
        scores = result["tasks"]
        self.assertEqual(scores["arc_easy"]["n"], 2)
        self.assertEqual(scores["mmlu_continuation"]["n"], 2 * 57)
        self.assertEqual(scores["mmlu_continuation_stem"]["n"], 2 * 19)
        self.assertIn("exact_match", scores["triviaqa"])
        self.assertIsNone(scores["wikitext"]["bits_per_byte_stderr"])
        self.assertGreater(scores["lambada_openai"]["perplexity"], 1)
        documents = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertEqual(len(documents), 2 * (1 + 1 + 1 + 57 + 1 + 1) + 1)
        first = documents[0]
        self.assertEqual(first["choice"], max(range(len(first["logprobs"])), key=lambda i: first["logprobs"][i]))
        self.assertEqual(len(first["ids"]), len(first["logprobs"]))
        self.assertTrue(all(0 < scored < len(ids) for ids, scored in zip(first["ids"], first["scored"])))

    def test_log_likelihoods_are_those_of_a_plain_forward_pass(self):
        model, file = self.model(), self.directory / "scores.jsonl"
        together = spectra_json("eval", model, "--tasks", "arc_easy,crows_pairs_english", "--data", DATA, "--limit", 12, "--dump-scores", file)
        alone = spectra_json("eval", model, "--tasks", "arc_easy,crows_pairs_english", "--data", DATA, "--limit", 12, "--alone")
        self.assertEqual(together["tasks"], alone["tasks"])
        speed = together["speed"]["arc_easy"]
        self.assertLess(speed["computed_tokens"], speed["request_tokens"] / 2)
        checked = subprocess.run([REFERENCE, model, file, "12"], capture_output=True, text=True, check=True).stdout.splitlines()
        self.assertEqual(len(checked), 2)
        for line in map(json.loads, checked):
            self.assertEqual(line["requests"], 12)
            self.assertLess(line["largest_error"], 1e-4, line)

    def test_predictors_take_a_models_place(self):
        data = self.piqa(PIQA, dict(PIQA, label=1))
        answers = self.directory / "answers.txt"
        answers.write_text("-2.5\n[-3, true]\n-4\n-1\n")
        scores = spectra_json("eval", "--predictor", f"file:{answers}", "--tasks", "piqa", "--data", data)["tasks"]["piqa"]
        self.assertEqual((scores["acc"], scores["n"]), (1, 2))
        text = self.directory / "text.txt"
        text.write_text("any text")
        uniform = spectra_json("eval", "--predictor", "uniform", "--tasks", "text", "--data", f"text={text}")["tasks"]["text"]
        self.assertAlmostEqual(uniform["bits_per_byte"], 8, 12)
        answers.write_text("-2.5\n")
        self.refused("--predictor", f"file:{answers}", "--tasks", "piqa", "--data", data, says=["answers.txt:2", "a line for each request"])

    def test_an_interrupted_evaluation_continues(self):
        out, model = self.directory / "out", self.model()
        command = ["eval", model, "--tasks", "arc_easy", "--data", DATA, "--limit", 300, "--out", out, "--threads", 1]
        running = subprocess.Popen([str(harness.BINARY), *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        answers = out / "answers.jsonl"
        while running.poll() is None and not (answers.exists() and answers.read_bytes().count(b"\n") > 50):
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        self.assertEqual(running.wait(), 130, running.stderr.read())
        running.stderr.close()
        whole = answers.read_text()
        answers.write_text(whole + '{"key": "cut off in the mid')
        kept = whole.count("\n")
        self.refused(*command[1:], says=["continue it with --resume"])  # a used directory needs --resume
        self.refused(*command[1:], "--resume", "--activations", "bf16", says=["other settings"])
        resumed = spectra("eval", *command[1:], "--resume", "--json")
        self.assertIn(f"({kept} already answered)", resumed.stderr)
        alone = spectra_json(*command[:8])
        self.assertEqual(json.loads(resumed.stdout)["tasks"], alone["tasks"])
        again = spectra("eval", *command[1:], "--resume", "--json")  # nothing is left to do
        self.assertEqual(json.loads(again.stdout)["tasks"], alone["tasks"])

    def test_two_models_are_compared(self):
        model, text = self.model(), LLAMA2C / "logprobs-texts.txt"
        tasks = ["--tasks", "arc_easy,lambada_openai,crows_pairs_english", "--data", DATA, "--limit", 40]
        same = spectra_json("compare", model, model, *tasks, "--text", text, "--tokens", 200, "--decode", 8)
        self.assertEqual([(t["difference"], t["holm_p"]) for t in same["tests"]], [(0, 1)] * len(same["tests"]))
        self.assertEqual((same["text"]["kl"], same["text"]["top1_agreement"], same["text"]["tokens"]), (0, 1, 200))
        other = self.directory / "other"
        spectra("init", "--hidden", 64, "--glu", 172, "--heads", 8, "--layers", 1, "--vocab", 512, "--family", "float", "--out", other)
        for file in model.glob("*token*"):
            (other / file.name).write_bytes(file.read_bytes())
        result = spectra_json("compare", model, other, *tasks, "--text", text, "--tokens", 200, "--decode", 0)
        rows = {(t["task"], t["metric"]): t for t in result["tests"]}
        alone = spectra_json("eval", model, *tasks)["tasks"]
        row = rows["arc_easy", "acc"]
        self.assertEqual((row["a"], row["n"]), (alone["arc_easy"]["acc"], 40))
        self.assertAlmostEqual(row["difference"], (row["mcnemar"]["only_b"] - row["mcnemar"]["only_a"]) / 40, 12)
        self.assertTrue(row["low"] <= row["difference"] <= row["high"])
        self.assertEqual(rows["lambada_openai", "perplexity"]["compared"], "log-likelihood")
        self.assertIsNone(rows["crows_pairs_english", "likelihood_diff"]["mcnemar"])
        self.assertTrue(all(t["holm_p"] >= (t["mcnemar"] or {"mid_p": t["bootstrap_p"]})["mid_p"] for t in result["tests"]))
        self.assertGreater(result["text"]["kl"], 1)
        self.assertGreater(result["text"]["perplexity_b"], result["text"]["perplexity_a"])
        self.assert_bad_input("compare", model, other, says=["nothing to compare"], code=2)

    def test_broken_data_names_file_line_and_what_was_expected(self):
        piqa = ["--predictor", "uniform", "--tasks", "piqa", "--data"]
        self.refused(*piqa, self.piqa(PIQA, "{broken"), says=["validation.jsonl:2", "not valid JSON"])
        self.refused(*piqa, self.piqa(PIQA, {"goal": "x", "sol1": "y", "label": 0}), says=["validation.jsonl:2", 'no "sol2"'])
        self.refused(*piqa, self.piqa(PIQA, dict(PIQA, label=2)), says=["validation.jsonl:2", 'is "2"', "expected one of 0, 1"])
        self.refused(*piqa, self.piqa(PIQA, dict(PIQA, label=0.5)), says=["validation.jsonl:2", "expected one of 0, 1"])
        self.refused(*piqa, self.piqa(PIQA, dict(PIQA, label=[0])), says=["validation.jsonl:2", "is a list, expected one text"])
        self.refused(*piqa, self.piqa(PIQA, dict(PIQA, sol1={"a": 1})), says=["validation.jsonl:2", "expected a text"])
        self.refused(*piqa, self.piqa(PIQA, dict(PIQA, sol1=None)), says=["validation.jsonl:2", "sol1"])
        self.refused(*piqa, self.piqa(PIQA, "[1]"), says=["validation.jsonl:2", "expected a JSON object"])
        self.refused(*piqa, self.piqa(), says=["no data for its validation split", "goal, sol1, sol2, label"])
        labels = self.piqa()
        (labels / "validation.jsonl").rename(labels / "valid.jsonl")
        (labels / "valid.jsonl").write_text(json.dumps({k: PIQA[k] for k in ("goal", "sol1", "sol2")}) + "\n")
        (labels / "valid-labels.lst").write_text("0\n1\n")
        self.refused(*piqa, labels, says=["valid-labels.lst", "2 labels"])

    def test_what_is_not_found_or_not_clear(self):
        empty = self.directory / "empty"
        empty.mkdir()
        piqa = ["--predictor", "uniform", "--tasks", "piqa"]
        self.refused(*piqa, says=["no directory was given", "baber/piqa", "--data piqa=FILE"])
        self.refused(*piqa, "--data", empty, says=["0 data files below"])
        self.refused(*piqa, "--data", self.directory / "nowhere", says=["no such directory"])
        self.refused(*piqa, "--data", "piqa=nowhere.jsonl", says=["no file nowhere.jsonl"])
        data = self.piqa(PIQA)
        (data / "other-valid.jsonl").write_text(json.dumps(PIQA) + "\n")
        self.refused(*piqa, "--data", data, says=["2 files fit", "other-valid.jsonl", "--data piqa=FILE"])
        (data / "other-valid.jsonl").rename(data / "train.jsonl")  # another split is no candidate
        self.assertEqual(spectra_json("eval", *piqa, "--data", data)["tasks"]["piqa"]["n"], 1)
        self.refused("--predictor", "uniform", "--tasks", "arc_easy", "--data", data, says=["easy", "choices.text"])
        self.refused(*piqa, "--data", f"piqa={DATA / 'arc_easy-test.jsonl.gz'}", says=["not the data of task piqa", "goal, sol1"])
        self.refused("--tasks", "hellaswg", says=["did you mean hellaswag?"], code=2)
        self.refused(*piqa, "--data", data, "--fewshot", 3, says=["3 examples", "1 records"])
        self.refused("--tasks", "piqa", "--data", data, says=["no model to evaluate"], code=2)

    def test_cut_files(self):
        data = self.directory / "data"
        data.mkdir()
        whole = (DATA / "arc_easy-test.jsonl.gz").read_bytes()
        (data / "arc_easy-test.jsonl.gz").write_bytes(whole[:len(whole) // 2])
        self.refused("--predictor", "uniform", "--tasks", "arc_easy", "--data", data, says=["arc_easy-test.jsonl.gz"])
        (data / "arc_easy-test.jsonl.gz").unlink()
        (data / "arc_easy-test.jsonl").write_bytes(gzip.decompress(whole)[:100_000])
        self.refused("--predictor", "uniform", "--tasks", "arc_easy", "--data", data, says=["arc_easy-test.jsonl:", "not valid JSON"])

    def test_tasks_of_ones_own(self):
        task = self.directory / "capitals.toml"
        data = self.directory / "capitals.csv"
        data.write_text('country,capital,wrong,right\nFrance,Paris,"Lyon, the ""second""",1\n')
        good = """
name = "capitals"
split = "test"
kind = "choice"
prompt = "The capital of {country|strip} is"
choices = ["{wrong}", "{capital}"]
gold = "{right}"
metrics = ["acc", "acc_norm"]
[[columns]]
country = "country"
capital = "capital"
wrong = "wrong"
right = "right"
"""
        task.write_text(good)
        spectra("eval", "--validate", task)
        requests = self.directory / "requests.json"
        spectra("eval", "--tasks", task, "--data", f"capitals={data}", "--dump-requests", requests)
        context = "The capital of France is"
        self.assertEqual(json.loads(requests.read_text()), [[context, ' Lyon, the "second"'], [context, " Paris"]])
        requests.unlink()
        broken = [("metrics", "metrcs", ["capitals.toml:8", "unknown key metrcs", "did you mean metrics?"]),
                  ('"acc"', '"exact_match"', ["no metric exact_match", "allowed: acc"]),
                  ("{country|strip}", "{country|stripp}", ["capitals.toml:5", "unknown filter stripp"]),
                  ("{country|strip}", "{land}", ["uses the field land", "number 1 does not give"]),
                  ("{country|strip}", "{country", ["a { without }"]),
                  ('kind = "choice"', 'kind = "quiz"', ["capitals.toml:4", "allowed: choice, target, rolling, generate"]),
                  ('split = "test"', "split = 3", ["capitals.toml:3", "expected a text"]),
                  ('split = "test"', "split", ["capitals.toml:3"]),
                  ('name = "capitals"', 'extends = "arc_eas"', ["no task arc_eas"])]
        for old, new, says in broken:
            with self.subTest(new):
                task.write_text(good.replace(old, new))
                self.refused("--validate", task, says=says, code=2 if "extends" in new else 3)

    def test_paper_tables(self):
        """All thirteen tasks from one directory of made-up data."""
        data = self.directory / "benchmarks"
        for case in json.loads((harness.SOURCE / "tests/golden/eval_requests.json").read_text()):
            for file, text in case["spellings"][0].items():
                path = data / case["task"] / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        for doubled in ("truthfulqa_mc2", "lambada_text", "mmlu"):  # the same files again
            shutil.rmtree(data / doubled)
        command = ["eval", "--predictor", "uniform", "--tasks", "spectra,bbq", "--data", data]
        scores = spectra_json(*command)["tasks"]
        out = spectra(*command).stdout
        first, second = out.split("\n\n")[-2:]
        titles, values = first.splitlines()[-2:]
        self.assertTrue(titles.endswith("average of six"), titles)
        six = [scores[t][m] for t, m in (("arc_challenge", "acc_norm"), ("arc_easy", "acc_norm"), ("boolq", "acc"), ("hellaswag", "acc_norm"),
                                         ("piqa", "acc_norm"), ("winogrande", "acc"))]
        self.assertAlmostEqual(float(values.split()[-1]), 100 * sum(six) / 6, delta=0.051)
        self.assertIn("MMLU stem/hum/soc/oth", second)
        self.assertNotIn(" - ", second + " ")
        # Without data it is said what is missing.
        self.refused("--predictor", "uniform", "--tasks", "spectra", "--data", self.piqa(PIQA), says=["task arc_easy", "no data"])


if __name__ == "__main__":
    harness.main(LLAMA2C, DATA)
