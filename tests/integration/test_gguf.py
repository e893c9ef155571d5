#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""GGUF files that spectra writes: real llama.cpp and @huggingface/gguf read them, compute the same, and they come back bitwise."""
import array
import gzip
import json
import os
import struct
import subprocess

import harness
from harness import spectra, spectra_json

MODULES = harness.SOURCE / "build/oracles/node_modules"
PROBABILITIES = harness.BINARY.parent / "tests/next_token_probabilities"
NEOX = harness.DATA / "tokenizer/20B_tokenizer.json.gz"
STORIES = harness.DATA / "model/stories260k"
TYPES = ["f32", "f16", "bf16", "q8_0", "q4_0", "q6_k", "tq1_0", "tq2_0"]
PREFIXES = [[12092], [0, 12092, 1533, 13, 187], [3, 100, 200, 77, 301, 5, 6, 44, 1000, 50276, 9, 12, 77, 301]]


def llama(files):
    """What llama.cpp and @huggingface/gguf say of [(path, texts, ids)]."""
    request = {"modules": str(MODULES), "files": [{"path": str(path), "texts": texts, "ids": ids} for path, texts, ids in files]}
    environment = {key: value for key, value in os.environ.items() if key != "CI"}  # node-llama-cpp parses it, and not every value
    result = subprocess.run(["node", str(harness.SOURCE / "tests/integration/llama_oracle.mjs")], input=json.dumps(request), capture_output=True,
                            text=True, check=False, env=environment)
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    return json.loads(result.stdout)


def ours(model, ids):
    result = subprocess.run([str(PROBABILITIES), str(model), *map(str, ids)], capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def tensors(directory):
    """Name -> (dtype, shape, bytes) of model.safetensors."""
    data = (directory / "model.safetensors").read_bytes()
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], data[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]]) for name, t in header.items()}


def sharpen(directory):
    """Makes a random fp16 model attend to something and prefer some tokens: norms before attention times 4, the head times 8."""
    file = directory / "model.safetensors"
    data = bytearray(file.read_bytes())
    length, = struct.unpack("<Q", data[:8])
    for name, t in json.loads(data[8:8 + length]).items():
        exponent = 2 if "input_layernorm" in name else 3 if name.startswith("lm_head") else 0
        if exponent:
            begin, end = (8 + length + offset for offset in t["data_offsets"])
            halves = array.array("H", bytes(data[begin:end]))
            data[begin:end] = array.array("H", [h + (exponent << 10) if h & 0x7c00 else h for h in halves]).tobytes()
    file.write_bytes(data)
    (directory / "spectra.json").unlink()  # its checksums were of the other weights


class Gguf(harness.Case):
    def compare(self, mine, theirs, tolerance, most=1e-3):
        """The 50 most probable tokens: each to a relative tolerance, and to `most` of one."""
        top = sorted(theirs.items(), key=lambda item: -item[1])[:50]
        self.assertGreater(top[0][1], 0.002, "a model that prefers nothing tests nothing")
        for token, probability in top:
            self.assertAlmostEqual(mine[token], probability, delta=min(tolerance * probability, most), msg=token)

    def compare_loosely(self, mine, theirs, tolerance):
        """Half the sum of differences, as far as the two lists go."""
        self.assertLess(sum(abs(mine.get(token, 0) - probability) for token, probability in theirs.items()) / 2, tolerance)

    def test_random_ternary_model_in_every_type(self):
        model, packed = self.directory / "model", self.directory / "packed"
        spectra("init", "--hidden", 512, "--glu", 1024, "--heads", 4, "--kv-heads", 2, "--layers", 2, "--shards", 2, "--tokenizer", NEOX, "--out", model)
        sharpen(model)
        spectra("pack", model, "--format", "1.6bit", "--out", packed)
        texts = (harness.DATA / "tokenizer/neox-vectors.inp").read_text().split("\n__ggml_vocab_test__\n")
        texts = [text for text in texts if text]
        files = {kind: self.directory / f"{kind}.gguf" for kind in TYPES}
        for kind, file in files.items():
            result = spectra_json("convert", packed, file, "--type", kind)
            self.assertEqual(bool(result["substitutes"]), kind == "bf16", result["substitutes"])  # scales are fp16 numbers
            check = spectra_json("pack", packed, "--check", file, check=False)
            self.assertEqual(check["exact"], kind != "bf16", check["differing"])
        mine = [ours(packed, ids) for ids in PREFIXES]
        answers = dict(zip(TYPES, llama([(files[kind], texts, PREFIXES) for kind in TYPES])))

        # llama.cpp rounds keys and values to fp16 in all types, activations to fp16 where weights are (0.0011 of 0.27 was seen on a
        # CPU without AVX-512), and to 8 bits in the quantized ones.
        for kind, answer in answers.items():
            for one, other in zip(mine, answer["probabilities"]):
                with self.subTest(kind):
                    if kind in ("f32", "f16"):
                        self.compare(one, other, 0.01, 1e-3 if kind == "f32" else 2e-3)
                    else:
                        self.compare_loosely(one, other, 0.02 if kind == "bf16" else 0.1)
        self.assertEqual(answers["tq1_0"]["probabilities"], answers["tq2_0"]["probabilities"])

        expected = [list(map(int, line.split())) for line in (harness.DATA / "tokenizer/neox-vectors.out").read_text().splitlines()]
        for text, ids, tokens in zip(texts, [ids for ids in expected if ids], answers["f16"]["tokens"]):
            self.assertEqual(tokens, ids, repr(text))

        for kind, answer in answers.items():
            self.check_reader(answer["metadata"], answer["tensors"], kind)
        self.round_trip(files, model)

    def check_reader(self, metadata, infos, kind):
        """What Hugging Face's reader sees."""
        self.assertEqual(metadata["general.architecture"], "llama")
        self.assertEqual(metadata["general.file_type"], {"f32": 0, "f16": 1, "bf16": 32, "q8_0": 7, "q4_0": 2, "q6_k": 18, "tq1_0": 36, "tq2_0": 37}[kind])
        self.assertEqual([metadata[f"llama.{key}"] for key in ("embedding_length", "feed_forward_length", "block_count", "attention.head_count",
                                                               "attention.head_count_kv", "rope.dimension_count", "vocab_size")],
                         [512, 1024, 2, 4, 2, 128, 50432])
        tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
        self.assertEqual((len(tokens), len(types), len(set(tokens)), len(metadata["tokenizer.ggml.merges"])), (50432, 50432, 50432, 50009))
        self.assertEqual([tokens[i] for i in (0, 1, 209, 50276, 50277)], ["<|endoftext|>", "<|padding|>", "\u0120", "  ", "[PAD50277]"])
        self.assertEqual([types[i] for i in (0, 1, 2, 50253, 50254, 50276, 50277, 50431)], [3, 3, 1, 1, 4, 4, 5, 5])
        shapes = {info["name"]: info["shape"] for info in infos}
        self.assertEqual(len(shapes), 3 + 2 * 9)
        self.assertEqual(shapes["blk.1.ffn_down.weight"], [1024, 512])  # contiguous dimension first
        self.assertEqual(shapes["blk.0.attn_k.weight"], [512, 256])

    def round_trip(self, files, model):
        original = tensors(model)
        for kind in ("f16", "q8_0", "tq1_0", "tq2_0"):
            back, again = self.directory / kind / "packed", self.directory / kind / "again.gguf"  # the name of the directory is in the file
            back.parent.mkdir()
            spectra("convert", files[kind], back)
            self.assertTrue(tensors(back) == original, kind)
            spectra("convert", back, again, "--type", kind)
            self.assertTrue(files[kind].read_bytes() == again.read_bytes(), kind)
        with gzip.open(NEOX) as file:
            source = json.load(file)
        made = json.loads((self.directory / "f16/packed/tokenizer.json").read_text())
        for part in ("vocab", "merges"):
            self.assertEqual(made["model"][part], source["model"][part])
        self.assertEqual(made["added_tokens"], source["added_tokens"])

    def test_stories260k(self):
        """A trained model with a SentencePiece-like tokenizer."""
        model, file = self.directory / "stories", self.directory / "stories.gguf"
        spectra("convert", STORIES / "stories260K.bin", model, "--tokenizer", STORIES / "tok512.bin")
        spectra("convert", model, file, "--type", "f32")
        texts = ["Once upon a time", "Zoo", "a  b\n\ncaf\u00e9 \u4f60", " leading", "x"]
        reference = [json.loads(line) for line in (STORIES / "logprobs.jsonl").read_text().splitlines()]
        prefixes = [entry["ids"][:40] for entry in reference] + [[1]]
        answer, = llama([(file, texts, prefixes)])
        for ids, theirs in zip(prefixes, answer["probabilities"]):
            self.compare(ours(model, ids), theirs, 0.01)
        for text, tokens in zip(texts, answer["tokens"]):
            path = self.directory / "text.txt"
            path.write_text(text)
            self.assertEqual(tokens, spectra_json("tokenize", "--tokenizer", model, "--text", path)["ids"], repr(text))
        back = self.directory / "back"
        spectra("convert", file, back)
        self.assertTrue(tensors(back) == tensors(model))
        self.assertEqual(json.loads((back / "tokenizer.json").read_text()), json.loads((model / "tokenizer.json").read_text()))
        spectra("convert", file, self.directory / "half", "--type", "f16")
        self.assertEqual({t[0] for t in tensors(self.directory / "half").values()}, {"F16"})
        self.assert_bad_input("convert", model, self.directory / "t.gguf", "--type", "tq2_0", says=["q_proj.weight is not ternary", "q8_0"])

    def test_half_written_files_never_stay(self):
        model, file = self.directory / "stories", self.directory / "stories.gguf"
        spectra("convert", STORIES / "stories260K.bin", model, "--tokenizer", STORIES / "tok512.bin")
        spectra("convert", model, file)
        self.assert_bad_input("convert", model, file, says=["exists already"])
        cut = self.directory / "cut.gguf"
        cut.write_bytes(file.read_bytes()[:-1000])
        self.assert_bad_input("convert", cut, self.directory / "out", says=["cut.gguf", "outside the data section"])
        self.assert_bad_input("convert", file, self.directory / "other.gguf", says=["from a model directory"], code=2)
        check = spectra("pack", model, "--check", file, check=False)
        self.assertEqual(check.returncode, 4)
        self.assertIn("11 of 47 tensors hold the model's weights exactly", check.stdout)


if __name__ == "__main__":
    harness.main(MODULES / "node-llama-cpp", MODULES / "@huggingface/gguf", PROBABILITIES, NEOX, STORIES)
