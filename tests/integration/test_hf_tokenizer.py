#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tokenizers that spectra writes, loaded by Hugging Face's own library, give the same ids."""
import gzip
import json
import random
import shutil
import subprocess
import unicodedata

import harness

MODULE = harness.SOURCE / "build/oracles/node_modules/@huggingface/tokenizers"
TEXT = harness.DATA / "text"
STORIES = harness.DATA / "model/stories260k"

TRICKY = ["", " ", "  ", "a", " a", "a ", "\n", "\n\n\n a", "it's we'LL 'tis 'S", "x  =  1;\t\ty", "caf\u00e9 cafe\u0301", "\u4f60\u597d\uff0c\u4e16\u754c", "\U0001f999\U0001f1e9\U0001f1ea",
          "1234567 \u00bd \u0663", "<|endoftext|>", "a<|endoftext|> b", "\u00a0\u3000x", "trailing \n", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "-----====", "don't stop"]


def texts():
    with gzip.open(TEXT / "c4-sample.jsonl.gz", "rt") as lines:
        web = [json.loads(line)["text"] for line in lines][:60]
    with gzip.open(harness.DATA / "tokenizer/neox-udhr-ids.jsonl.gz", "rt") as lines:
        languages = [json.loads(line)["text"] for line in lines]
    with gzip.open(TEXT / "wikitext2-test.raw.gz", "rt") as file:
        return TRICKY + web + languages + [file.read(100_000)]


def hugging_face(directory, samples):
    request = {"module": f"file://{MODULE}/dist/tokenizers.mjs", "texts": samples}
    for key, name in (("tokenizer", "tokenizer.json"), ("config", "tokenizer_config.json")):
        request[key] = (directory / name).read_text()
    result = subprocess.run(["node", str(harness.SOURCE / "tests/integration/hf_tokenizer.mjs")], input=json.dumps(request), capture_output=True,
                            text=True, check=False)
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    return json.loads(result.stdout)


class HfTokenizer(harness.Case):
    def ids(self, directory, text):
        path = self.directory / "text.txt"
        path.write_bytes(text.encode())
        return harness.spectra_json("tokenize", "--tokenizer", directory, "--text", path)["ids"]

    def compare(self, directory, samples):
        reference = hugging_face(directory, samples)
        for text, expected in zip(samples, reference["ids"]):
            self.assertEqual(self.ids(directory, text), expected, repr(text[:200]))
        return reference

    def test_trained_here(self):
        data = self.directory / "data"
        harness.spectra("prepare", TEXT / "novels-valid.txt.zst", TEXT / "textbooks-valid.txt.zst", TEXT / "c4-sample.jsonl.gz", "--train-tokenizer",
                        3000, "--out", data)
        tokenizer = json.loads((data / "tokenizer.json").read_text())
        self.assertEqual(len(tokenizer["model"]["vocab"]), 3000)
        samples = texts()
        reference = self.compare(data, samples)
        for text, decoded in zip(samples, reference["decoded"]):
            self.assertEqual(decoded, unicodedata.normalize("NFC", text))

    def test_made_from_llama2c(self):
        model = self.directory / "model"
        harness.spectra("convert", STORIES / "stories260K.bin", model, "--tokenizer", STORIES / "tok512.bin")
        self.compare(model, TRICKY + [entry for entry in texts() if len(entry) < 3000][:40])

    def test_round_trip_is_normalization_form_c(self):
        """Against Python's tables, on random strings of assigned characters."""
        neox = self.directory / "neox"
        neox.mkdir()
        with gzip.open(harness.DATA / "tokenizer/20B_tokenizer.json.gz") as source, open(neox / "tokenizer.json", "wb") as target:
            shutil.copyfileobj(source, target)
        random.seed(1)
        characters = [chr(c) for c in range(1, 0x2fa20) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
        text = "".join(random.choice(characters) + random.choice(["", "", "\u0301", "\u0323", "\u1161"]) for _ in range(100_000))
        ids = " ".join(map(str, self.ids(neox, text)))
        decoded = subprocess.run([str(harness.BINARY), "tokenize", "--tokenizer", str(neox), "--decode"], input=ids.encode(), capture_output=True, check=True)
        self.assertEqual(decoded.stdout.decode(), unicodedata.normalize("NFC", text))


if __name__ == "__main__":
    harness.main(MODULE, TEXT, STORIES)
