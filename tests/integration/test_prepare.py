#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`prepare` and `tokenize` as a user runs them: results, refusals, interrupts, a full disk."""
import gzip
import json
import os
import resource
import signal
import subprocess
import time

import harness

TEXT = harness.DATA / "text"
TOKENIZER = harness.DATA / "tokenizer/20B_tokenizer.json.gz"


class Prepare(harness.Case):
    def write(self, name, content):
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def test_summary_and_files(self):
        result = harness.spectra_json("prepare", TEXT / "novels-valid.txt.zst", TEXT / "c4-sample.jsonl.gz", "--valid", TEXT / "textbooks-valid.txt.zst",
                                      "--tokenizer", TOKENIZER, "--out", self.directory / "data")
        self.assertEqual(result["schema"], "spectra.prepare/1")
        self.assertEqual(result["train"]["documents"], 303)
        self.assertEqual(result["vocab"], 50277)
        self.assertGreater(result["valid"]["tokens"], 100_000)
        self.assertEqual(result["replaced_bytes"], 0)
        written = sorted(path.name for path in (self.directory / "data").iterdir())
        self.assertEqual(written, ["data.json", "documents-00000.bin", "documents-00001.bin", "special_tokens_map.json", "tokenizer.json",
                                   "tokenizer_config.json", "tokens-00000.bin", "tokens-00001.bin"])
        config = json.loads((self.directory / "data/tokenizer_config.json").read_text())
        self.assertEqual(config["eos_token"], "<|endoftext|>")

    def test_same_bytes_every_time(self):
        for out, threads in (("one", 1), ("two", 3)):
            harness.spectra("prepare", TEXT / "textbooks-valid.txt.zst", "--train-tokenizer", 1000, "--valid-fraction", 0.1, "--threads", threads, "--out",
                            self.directory / out)
        for path in (self.directory / "one").iterdir():
            self.assertEqual(path.read_bytes(), (self.directory / "two" / path.name).read_bytes(), path.name)

    def test_stories(self):
        data = self.directory / "data"
        result = harness.spectra_json("prepare", "--synthetic", "stories", "--stories", 500, "--train-tokenizer", 600, "--out", data)
        self.assertEqual((result["train"]["documents"], result["valid"]["documents"]), (500, 5))

    def test_bad_utf8_is_reported(self):
        text = self.write("a.txt", b"one \xff\xfe two")
        result = harness.spectra("prepare", text, "--train-tokenizer", 300, "--out", self.directory / "data")
        self.assertIn("2 bytes of invalid UTF-8", result.stderr)

    def test_refusals(self):
        fine = self.write("fine.txt", "some text to read, and some more text to read")
        out = self.directory / "data"

        def refuse(*arguments, says, code=3):
            self.assert_bad_input("prepare", *arguments, "--out", out, says=says, code=code)

        train = ("--train-tokenizer", 300)
        refuse(self.write("empty.txt", "\n \n"), *train, says=("empty",))
        refuse(self.directory / "absent.txt", *train, says=("absent.txt",))
        refuse(self.write("table.csv", "a,b"), *train, says=("table.csv", ".jsonl"))
        refuse(self.write("bad.jsonl", '{"text": "fine"}\n{"txt": 1}\n'), *train, says=("bad.jsonl:2", '"text"'))
        cut = gzip.compress(os.urandom(100_000))[:50_000]
        refuse(self.write("cut.txt.gz", cut), *train, says=("cut.txt.gz", "ends too early", "50000"))
        refuse(self.write("not.txt.gz", "text"), *train, says=("not.txt.gz",))
        refuse(fine, "--tokenizer", self.write("broken.json", "{"), says=("broken.json", "JSON"))
        refuse(fine, "--tokenizer", self.write("unigram.json", '{"model": {"type": "Unigram"}}'), says=("Unigram",))
        refuse(fine, *train, "--valid-fraction", 1e-9, says=("validation", "--valid"))
        refuse(fine, says=("--tokenizer",), code=2)
        refuse(fine, "--train-tokenizer", 100, says=("out of range",), code=2)
        refuse(fine, *train, "--valid-fraction", 1.5, says=("out of range",), code=2)
        refuse(fine, *train, "--synthetic", "stories", says=("--synthetic",), code=2)
        out.mkdir()
        (out / "mine").write_text("kept")
        refuse(fine, *train, says=("exists",))

    def test_interrupt_leaves_nothing(self):
        arguments = [str(harness.BINARY), "prepare", *[str(TEXT / "novels-train.txt.zst")] * 8, "--tokenizer", str(TOKENIZER), "--out",
                     str(self.directory / "data")]
        process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
        deadline = time.time() + 60
        while not list(self.directory.iterdir()) and time.time() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, stderr)
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_full_disk_leaves_nothing(self):
        def limit():  # writes beyond 200 kB fail with EFBIG, as on a full disk
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

        result = harness.spectra("prepare", TEXT / "novels-valid.txt.zst", "--train-tokenizer", 300, "--out", self.directory / "data", check=False,
                                 preexec_fn=limit)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("File too large", result.stderr)
        self.assertEqual(list(self.directory.iterdir()), [])


class Tokenize(harness.Case):
    def tokenize(self, *arguments, text=None):
        command = [str(harness.BINARY), "tokenize", "--tokenizer", str(TOKENIZER), *map(str, arguments)]
        return subprocess.run(command, input=text, capture_output=True, check=False)

    def test_both_ways(self):
        self.assertEqual(self.tokenize(text=b"Hello world").stdout, b"12092 1533\n")
        self.assertEqual(self.tokenize("--json", text=b"Hello world").stdout, b'{"schema":"spectra.tokenize/1","ids":[12092,1533]}\n')
        for ids in (b"12092 1533", b"12092,1533\n", b"[12092, 1533]", b'{"ids": [12092, 1533]}'):
            self.assertEqual(self.tokenize("--decode", text=ids).stdout, b"Hello world")
        self.assertEqual(self.tokenize("--decode", "--json", text=b"12092").stdout, b'{"schema":"spectra.tokenize/1","text":"Hello"}\n')

    def test_special_tokens(self):
        self.assertEqual(self.tokenize(text=b"x<|endoftext|>y").stdout, b"89 0 90\n")
        plain = self.tokenize("--no-special", text=b"x<|endoftext|>y").stdout
        self.assertNotIn(b" 0 ", plain)
        self.assertEqual(self.tokenize("--decode", text=b"89 0 90").stdout, b"x<|endoftext|>y")
        self.assertEqual(self.tokenize("--decode", "--no-special", text=b"89 0 90").stdout, b"xy")

    def test_refusals(self):
        for ids in (b"12 x", b"-1", b"99999999999", b'{"text": 1}', b"[1.5]"):
            result = self.tokenize("--decode", text=ids)
            self.assertEqual(result.returncode, 3, result.stderr)
            self.assertIn(b"standard input", result.stderr)
        self.assert_bad_input("tokenize", "--tokenizer", self.directory, says=("tokenizer.json",))


if __name__ == "__main__":
    harness.main(TEXT, TOKENIZER)
