#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/json.md names exactly the keys that --json prints, for every command."""
import json
import re

import harness
from harness import spectra_json
from served import Server

LLAMA2C = harness.DATA / "model/stories260k"


def documented():
    """Schema and kind ("inspect (a model)") -> set of keys."""
    pages = {}
    for title, schema, table in re.findall(r"^## (.+): `(spectra\.\S+)`\n\n\| key.*\n\|---.*\n((?:\|.*\n)+)",
                                           (harness.SOURCE / "docs/json.md").read_text(), re.M):
        pages[title] = (schema, set(re.findall(r"^\| `(\w+)`", table, re.M)))
    return pages


class Json(harness.Case):
    def checked(self, model, file):
        spectra_json("convert", model, file)
        return spectra_json("pack", model, "--check", file)

    @staticmethod
    def suite(directory):
        return ["suite", harness.SOURCE / "suites/nano.toml", "--out", directory / "suite", "--quick", "--only", "prepare", "--set",
                "data.stories=200", "--gflops", 100]

    @staticmethod
    def served(model):
        with Server(model) as server:
            return server.printed

    def test_keys_are_the_documented_ones(self):
        d = self.directory
        train = ["train", harness.SOURCE / "recipes/demo-tri.toml", "--set", f"data.path={d}/data", "--set", "train.tokens=2048", "--set",
                 "train.batch_tokens=1024", "--set", "validation.tokens=512"]
        checkpoint = d / "run/checkpoints/step-00000002"
        results = {
            "prepare": spectra_json("prepare", "--synthetic", "stories", "--stories", 200, "--train-tokenizer", 400, "--out", d / "data"),
            "tokenize": spectra_json("tokenize", "--tokenizer", d / "data", input="Once upon a time"),
            "train --dry-run": spectra_json(*train, "--dry-run"),
            "train --print-config": spectra_json(*train, "--print-config"),
            "train": spectra_json(*train, "--out", d / "run"),
            "report": spectra_json("report", d / "run", "--out", d / "report.html"),
            "analyze": spectra_json("analyze", "dynamics", d / "run"),
            "pack": spectra_json("pack", checkpoint, "--format", "1.6bit", "--out", d / "packed"),
            "pack --check": self.checked(d / "packed", d / "packed.gguf"),
            "unpack": spectra_json("unpack", d / "packed", "--out", d / "unpacked"),
            "convert": spectra_json("convert", LLAMA2C / "stories260K.bin", d / "hf", "--tokenizer", LLAMA2C / "tok512.bin"),
            "quantize": spectra_json("quantize", d / "hf", "--calibration", harness.SOURCE / "README.md", "--samples", 2, "--sequence", 32, "--out",
                                     d / "quantized"),
            "generate": spectra_json("generate", d / "packed", "--prompt", "Once", "--max-tokens", 4),
            "perplexity": spectra_json("perplexity", d / "packed", "--text", harness.SOURCE / "README.md", "--window", 64),
            "eval": spectra_json("eval", d / "packed", "--tasks", "text", "--data", f"text={harness.SOURCE / 'README.md'}"),
            "eval --list": spectra_json("eval", "--list"),
            "eval --dump-requests": spectra_json("eval", "--tasks", "text", "--data", f"text={harness.SOURCE / 'README.md'}", "--dump-requests",
                                                 d / "requests.json"),
            "eval --describe": spectra_json("eval", "--describe", "piqa"),
            "compare": spectra_json("compare", d / "packed", checkpoint, "--text", harness.SOURCE / "README.md", "--tokens", 64, "--decode", 2),
            "inspect (a model)": spectra_json("inspect", d / "packed", "--verify"),
            "inspect (token data)": spectra_json("inspect", d / "data"),
            "inspect --sequence": spectra_json("inspect", d / "data", "--sequence", 3, "--seq-length", 64),
            "init": spectra_json("init", "--hidden", 64, "--glu", 128, "--heads", 2, "--layers", 1, "--vocab", 256, "--family", "float",
                                 "--out", d / "init"),
            "doctor": spectra_json("doctor"),
            "bench": spectra_json("bench", d / "packed", "--prompt", 8, "--generate", 4, "--runs", 1, "--no-limits"),
            "bench --train": spectra_json("bench", "--train", "--hidden", 64, "--glu", 128, "--heads", 2, "--layers", 1, "--vocab", 256,
                                          "--batch", 1, "--sequence", 32, "--steps", 2),
            "suite --dry-run": spectra_json(*self.suite(d), "--dry-run"),
            "suite": spectra_json(*self.suite(d)),
            "suite --list": spectra_json(*self.suite(d), "--list"),
            "suite --emit": spectra_json(*self.suite(d), "--emit", "slurm"),
            "DIR/results.json of a suite": json.loads((d / "suite/results.json").read_text()),
            "serve": self.served(d / "packed"),
            "any command that fails": spectra_json("inspect", d / "nowhere", check=False),
        }
        pages = documented()
        self.assertEqual(set(pages), set(results), "docs/json.md and this test cover the same commands")
        for title, result in results.items():
            with self.subTest(title):
                schema, keys = pages[title]
                self.assertEqual(result.pop("schema"), schema)
                self.assertEqual(set(result), keys)


if __name__ == "__main__":
    harness.main(LLAMA2C)
