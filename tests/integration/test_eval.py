#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""spectra eval: scores of a real model, continuing, and what it says of broken data and tasks."""
import fcntl
import gzip
import hashlib
import json
import shutil
import signal
import struct
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

    def uniform(self, task, *arguments):
        return spectra_json("eval", "--predictor", "uniform", "--tasks", task, *arguments)["tasks"]

    def write(self, path, *records):
        """A file below the test's directory: JSON lines, or text as it is."""
        path = self.directory / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
        return path

    def test_a_log_likelihood_that_is_not_finite_is_refused(self):
        model, out = self.model(), self.directory / "out"
        file = model / "model.safetensors"
        content = bytearray(file.read_bytes())
        size = struct.unpack("<Q", content[:8])[0]
        norm = json.loads(content[8:8 + size])["model.norm.weight"]
        bits = {"F32": b"\0\0\xc0\x7f", "F16": b"\0\x7e", "BF16": b"\xc0\x7f"}[norm["dtype"]]
        begin = 8 + size + norm["data_offsets"][0]
        content[begin:begin + len(bits)] = bits
        file.write_bytes(content)
        result = spectra("eval", model, "--tasks", "lambada_text,arc_easy", "--data", DATA, "--limit", 2, "--out", out, check=False)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("lambada_openai-test.jsonl.gz:", result.stderr)
        self.assertIn("log-likelihood is nan", result.stderr.replace("-nan", "nan"))
        self.assertEqual((out / "answers.jsonl").read_bytes(), b"")

    def test_files_that_are_no_further_documents(self):
        data = self.directory / "data"
        question = dict(question="Who?", answer=dict(aliases=["Ike"]))
        raw = json.dumps({"Data": [dict(Question="Who?", Answer=dict(Aliases=["Ike"]))]})
        for name in ("wikipedia-dev", "web-dev", "verified-web-dev", "verified-wikipedia-dev", "unfiltered-web-dev"):
            self.write(f"data/triviaqa-rc/qa/{name}.json", raw)
        self.assertEqual(self.uniform("triviaqa", "--data", data)["triviaqa"]["n"], 2)
        self.write("hub/triviaqa/validation.jsonl", question)
        with gzip.open(self.directory / "hub/triviaqa/validation.jsonl.gz", "wt") as file:
            file.write(json.dumps(question) + "\n")
        self.refused("--predictor", "uniform", "--tasks", "triviaqa", "--data", self.directory / "hub", says=["are the same data"])
        self.assertEqual(self.uniform("triviaqa", "--data", data, "--data", data / "triviaqa-rc")["triviaqa"]["n"], 2)
        again = ["--data", f"piqa={self.piqa(PIQA) / 'validation.jsonl'}"]
        self.refused("--predictor", "uniform", "--tasks", "piqa", *again, *again, says=["are the same data"])
        bbq = next(c for c in json.loads((harness.SOURCE / "tests/golden/eval_requests.json").read_text()) if c["task"] == "bbq")
        text = next(iter(bbq["spellings"][0].values()))
        self.write("BBQ/data/Age.jsonl", text)
        self.write("BBQ/results/UnifiedQA/preds_Age.jsonl", text)
        scores = self.uniform("bbq", "--data", self.directory / "BBQ")["bbq"]
        self.assertEqual(scores["n"], len(bbq["golds"]))
        self.assertEqual(scores["counted"]["acc_ambiguous"] + scores["counted"]["acc_disambiguated"], scores["n"])
        self.write("piqa/train/data.jsonl", PIQA)  # the folder says the split
        self.write("piqa/valid/data.jsonl", PIQA, PIQA)
        self.assertEqual(self.uniform("piqa", "--data", self.directory / "piqa")["piqa"]["n"], 2)
        self.write("lambada/lambada_test_de.jsonl", {"text": "ein Wort"})
        self.write("lambada/lambada_test.jsonl", {"text": "a word"})
        self.assertEqual(self.uniform("lambada_openai", "--data", self.directory / "lambada")["lambada_openai"]["n"], 1)

    def test_parts_have_rows_of_their_own_names(self):
        scores = self.uniform("mmlu_continuation_stem,mmlu_continuation_virology", "--data", DATA, "--limit", 1)
        self.assertEqual((scores["mmlu_continuation_stem"]["n"], scores["mmlu_continuation_virology"]["n"]), (19, 1))
        self.assertNotIn("mmlu_continuation", scores)
        self.refused("--predictor", "uniform", "--tasks", "piqa,piqa", says=["piqa twice"], code=2)
        self.assertIn("[subsets]", spectra("eval", "--describe", "mmlu_continuation_stem").stdout)

    def test_right_answers_that_cannot_be(self):
        hellaswag = dict(activity_label="a", ctx_a="b", ctx_b="c", endings=["d", "e", "f"], label="3")
        self.write("data/validation.jsonl", hellaswag)
        self.write("data/train.jsonl", hellaswag)
        for more in ([], ["--fewshot", 1]):
            self.refused("--predictor", "uniform", "--tasks", "hellaswag", "--data", self.directory / "data", *more,
                         says=[".jsonl:1", "number 4 of 3 choices"])
        self.write("mc.jsonl", {"question": "q", "mc1_targets": {"choices": ["a", "b"], "labels": [0, 1]}})
        answers = self.write("answers.txt", "-2", "-1")
        scores = spectra_json("eval", "--predictor", f"file:{answers}", "--tasks", "truthfulqa_mc1", "--data",
                              f"truthfulqa_mc1={self.directory / 'mc.jsonl'}", "--fewshot", 5)  # its own number holds
        self.assertEqual((scores["tasks"]["truthfulqa_mc1"]["acc"], scores["tasks"]["truthfulqa_mc1"]["fewshot"]), (1, 0))

    def test_kept_answers_are_those_of_the_same_task_and_predictor(self):
        task = ('name = "own"\nsplit = "test"\nkind = "generate"\nprompt = "{t}"\nanswers = "{a}"\nstop = ["."]\nmax_tokens = %d\n'
                'metrics = ["exact_match"]\n[[columns]]\nt = "t"\na = "a"\n')
        data = self.write("own.jsonl", {"t": "Once upon a time", "a": ["x"]})
        own, out, model = self.directory / "own.toml", self.directory / "out", self.model()
        command = ["eval", model, "--tasks", own, "--data", f"own={data}", "--out", out]
        own.write_text(task % 3)
        spectra(*command)
        self.assertIn("(1 already answered)", spectra(*command[:1], f"{model}/", *command[2:], "--resume").stderr)
        own.write_text(task % 60)
        self.assertNotIn("already answered", spectra(*command, "--resume").stderr)
        own.write_text(task % 600)
        self.refused(*command[1:], "--resume", says=["leave no room"])
        answers = self.write("answers.txt", "-1", "-2")
        piqa = ["--predictor", f"file:{answers}", "--tasks", "piqa", "--data", self.piqa(PIQA), "--out", self.directory / "kept"]
        spectra("eval", *piqa)
        kept = self.directory / "kept/answers.jsonl"
        kept.write_text(json.dumps(dict(json.loads(kept.read_text()), logprobs=[], greedy=[])) + "\n")
        self.refused(*piqa, "--resume", says=["validation.jsonl:1", "0 log-likelihoods, expected 2"])
        answers.write_text("-1\n-3.5\n")
        self.refused(*piqa, "--resume", says=["other settings"])
        with open(self.directory / "kept/answers.jsonl", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            answers.write_text("-1\n-2\n")
            self.refused(*piqa, "--resume", says=["another evaluation writes there"])
        answers.write_text('"text"\n-2\n')
        self.refused(*piqa[:-2], says=["1 log-likelihoods, expected 2"])

    def test_no_text_and_too_few_documents(self):
        empty, uniform = self.write("empty.jsonl", {"text": ""}), ["--predictor", "uniform"]
        self.refused(*uniform, "--tasks", "lambada_text", "--data", f"lambada_text={empty}", says=["empty.jsonl", "the text is empty"])
        model, one = self.model(), self.write("one.txt", "one document")
        compared = spectra("compare", model, model, "--tasks", "text", "--data", f"text={one}", "--decode", 0)
        self.assertRegex(compared.stdout, r"text log-likelihood .* - +- +-\n")
        row = spectra_json("compare", model, model, "--tasks", "text", "--data", f"text={one}", "--decode", 0)["tests"][0]
        self.assertEqual((row["n"], row["bootstrap_p"], row["low"], row["holm_p"]), (1, None, None, None))
        bbq = next(c for c in json.loads((harness.SOURCE / "tests/golden/eval_requests.json").read_text()) if c["task"] == "bbq")
        rows = [json.loads(line) for line in next(iter(bbq["spellings"][0].values())).splitlines()]
        self.write("bbq/Age.jsonl", *[r for r in rows if r["context_condition"] == "ambig"])
        tests = spectra_json("compare", model, model, "--tasks", "bbq", "--data", self.directory / "bbq", "--decode", 0)["tests"]
        self.assertEqual({t["metric"] for t in tests}, {"acc", "acc_ambiguous", "bias_ambiguous"})
        self.assertRegex(spectra("eval", *uniform, "--tasks", "bbq", "--data", self.directory / "bbq").stdout, r" 0 +acc_disambiguated +-\s")
        (self.directory / "none.txt").write_text("")
        for text, says in (("nowhere.txt", "nowhere.txt"), ("none.txt", "the file is empty")):
            result = self.assert_bad_input("compare", model, model, "--tasks", "text", "--data", f"text={one}", "--text", self.directory / text, says=[says])
            self.assertNotIn("documents", result.stderr, "said before anything is evaluated")

    def test_arguments_that_would_fail_late_or_do_nothing(self):
        data, uniform = self.piqa(PIQA), ["--predictor", "uniform"]
        piqa = [*uniform, "--tasks", "piqa", "--data", data]
        self.refused(*piqa, "--data", f"pika={data / 'validation.jsonl'}", says=["pika=", "did you mean piqa?"], code=2)
        self.refused(*piqa, "--dump-scores", self.directory / "nowhere/scores.jsonl", says=["no such directory"])
        self.refused(*piqa, "--bootstrap", 1999, says=["chunks of 1000"], code=2)
        self.assert_bad_input("compare", data, data, "--tasks", "piqa", "--fewshot", -7, says=["out of range"], code=2)
        file = self.directory / "requests.json"
        written = spectra_json("eval", "--tasks", "piqa", "--data", data, "--dump-requests", file)
        self.assertEqual(written["tasks"], {"piqa": {"documents": 1, "requests": 2}})

    def test_why_a_file_is_not_read(self):
        uniform = ["--predictor", "uniform", "--tasks", "piqa", "--data"]
        for text, says in (("{broken", "not valid JSON"), ("", "the file is empty"), ('{"goal": "x"}', 'no "sol1"')):
            self.write("x.jsonl", text)
            self.refused(*uniform, f"piqa={self.directory / 'x.jsonl'}", says=["x.jsonl: not the data of task piqa", says])
        self.write("X.JSONL", "\ufeff" + json.dumps(PIQA))
        self.assertEqual(self.uniform("piqa", "--data", f"piqa={self.directory / 'X.JSONL'}")["piqa"]["n"], 1)
        self.write("long/validation.jsonl", dict(PIQA, extra="x" * 1_500_000))
        (self.directory / "long/other.jsonl.gz").write_bytes(b"\x1f\x8b damaged")
        self.assertEqual(self.uniform("piqa", "--data", self.directory / "long")["piqa"]["n"], 1)
        (self.directory / "long/validation.jsonl").unlink()
        self.refused(*uniform, self.directory / "long", says=["these could not be read", "other.jsonl.gz"])
        deep = "[" * 100_000 + "]" * 100_000
        self.write("deep/validation.jsonl", PIQA, json.dumps(PIQA).replace('"Heat it"', deep), "")
        self.refused(*uniform, self.directory / "deep", says=["validation.jsonl:2", "nested deeper"])
        self.write("labels/valid.jsonl", {k: PIQA[k] for k in ("goal", "sol1", "sol2")})
        self.refused(*uniform, self.directory / "labels", says=["there is no", "valid-labels.lst"])
        self.write("twice.csv", "sent_more,sent_less,bias_type,sent_less", "a,b,age,c")
        self.refused("--predictor", "uniform", "--tasks", "crows_pairs_english", "--data", f"crows_pairs_english={self.directory / 'twice.csv'}",
                     says=["twice.csv", 'two columns are named "sent_less"'])

    def test_tasks_that_cannot_be_right(self):
        own = self.directory / "own.toml"
        columns = '[[columns]]\nq = "q|%s"\n'
        head = 'name = "own"\nsplit = "test"\nkind = "choice"\nprompt = "{q}"\nchoices = ["a", "b"]\ngold = "{q}"\n'
        broken = [(head + 'gold_labels = ["0", "1", "2"]\nmetrics = ["acc"]\n' + columns % "strip", ["gold_labels and choices"]),
                  (head + 'metrics = ["acc_ambiguous"]\n' + columns % "strip", ["need the note condition"]),
                  (head + 'metrics = ["acc"]\n' + columns % "stripp", ["own.toml:9", "unknown filter stripp"]),
                  ("extends = 3\n", ["own.toml:1", "extends", "expected the name of a task"])]
        for text, says in broken:
            with self.subTest(says[-1]):
                own.write_text(text)
                self.refused("--validate", own, says=says)
        own.write_text(head + 'metrics = ["acc"]\n' + columns % "before_blank")
        data = self.write("own.jsonl", {"q": "no blank"})
        self.refused("--predictor", "uniform", "--tasks", own, "--data", f"own={data}", says=["own.jsonl:1", 'no "_"'])
        self.assertEqual(spectra("eval", "--describe", own).stdout, own.read_text())

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
