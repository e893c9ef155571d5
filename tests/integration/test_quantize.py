#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""quantize as a user runs it: what it costs in perplexity, killed and continued, and what it refuses."""
import json
import pathlib
import struct
import subprocess
import time

import harness
from harness import DATA, Case, spectra, spectra_json

STORIES = DATA / "model/stories260k"
TEXT = DATA / "text/wikitext2-test.raw.gz"
SMALL = ("--samples", 24, "--sequence", 128)


def tensor_span(file, name):
    """Where a tensor's data lies in a safetensors file."""
    size = struct.unpack("<Q", file[:8])[0]
    begin, end = json.loads(file[8:8 + size])[name]["data_offsets"]
    return 8 + size + begin, 8 + size + end


class Quantize(Case):
    def setUp(self):
        super().setUp()
        self.model = self.directory / "stories"
        spectra("convert", STORIES / "stories260K.bin", self.model, "--tokenizer", STORIES / "tok512.bin")

    def own_text(self):
        """A text that the model knows: what it tells itself."""
        file = self.directory / "told.txt"
        told = [spectra_json("generate", self.model, "--prompt", "Once upon a time", "--max-tokens", 400, "--temperature", 1, "--threads", 1, "--seed",
                             seed)["text"] for seed in range(40)]
        file.write_text("\n\n\n".join(told))
        return file

    def perplexity(self, model, text):
        return spectra_json("perplexity", model, "--text", text, "--window", 256)["perplexity"]

    def test_what_bits_cost(self):
        text = self.own_text()
        before = self.perplexity(self.model, text)
        cost = {}
        for bits, method in ((8, "gptq"), (6, "gptq"), (4, "gptq"), (3, "gptq"), (4, "rtn"), (3, "rtn"), (3, "gptaq")):
            out = self.directory / f"{method}-{bits}"
            report = spectra_json("quantize", self.model, "--bits", bits, "--method", method, "--calibration", text, "--samples", 64,
                                  "--sequence", 256, "--unpacked", "--out", out)
            cost[bits, method] = self.perplexity(out, text) / before - 1
            told = report["quantized_perplexity"] / report["float_perplexity"]
            self.assertAlmostEqual(told / (1 + cost[bits, method]), 1, delta=0.05)
            self.assertEqual(len(report["linears"]), 35)
        self.assertLess(abs(cost[8, "gptq"]), 0.005)
        self.assertLess(abs(cost[6, "gptq"]), 0.015)
        self.assertLess(cost[4, "gptq"], cost[4, "rtn"])
        self.assertLess(cost[3, "gptq"], cost[3, "rtn"])
        self.assertLess(cost[3, "gptaq"], cost[3, "rtn"])
        self.assertLess(cost[4, "gptq"], cost[3, "gptq"])

    def test_stored_codes_are_the_unpacked_weights(self):
        text, found = self.own_text(), {}
        for form in ("compressed-tensors", "unpacked"):
            out = self.directory / form
            spectra("quantize", self.model, "--bits", 4, "--group-size", 4, "--calibration", TEXT, *SMALL, "--format", form, "--out", out)
            found[form] = self.perplexity(out, text)
        self.assertAlmostEqual(found["compressed-tensors"] / found["unpacked"], 1, delta=1e-3)

    def test_killed_and_continued(self):
        model = self.directory / "wide"
        spectra("init", "--family", "float", "--hidden", 256, "--glu", 640, "--heads", 4, "--layers", 6, "--tokenizer", self.model, "--out", model)
        for method in ("gptq", "gptaq"):
            with self.subTest(method):
                command = ["quantize", model, "--bits", 4, "--method", method, "--calibration", TEXT, "--samples", 48, "--sequence", 512]
                whole, killed = self.directory / f"whole-{method}", self.directory / f"killed-{method}"
                undisturbed = spectra_json(*command, "--out", whole)
                process = subprocess.Popen([str(part) for part in (harness.BINARY, *command, "--out", killed)], stderr=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL)
                partial = pathlib.Path(f"{killed}.partial")
                while not (partial / "block-00001.safetensors").exists():
                    self.assertIsNone(process.poll(), "ended before it could be killed")
                    time.sleep(0.01)
                process.kill()
                process.wait()
                self.assertFalse(killed.exists())
                refused = spectra(*command, "--damp", 0.1, "--out", killed, check=False)
                self.assertEqual(refused.returncode, 3)
                self.assertIn("damp 0.01 instead of 0.1", refused.stderr)
                resumed = spectra_json(*command, "--out", killed)
                self.assertGreaterEqual(resumed["resumed_blocks"], 2)
                self.assertEqual((whole / "model.safetensors").read_bytes(), (killed / "model.safetensors").read_bytes())
                for key in ("float_perplexity", "quantized_perplexity"):
                    self.assertEqual(resumed[key], undisturbed[key])
                for a, b in zip(resumed["linears"], undisturbed["linears"]):
                    self.assertEqual({**a, "seconds": 0}, {**b, "seconds": 0})
                self.assertFalse(partial.exists())

    def test_collapse_is_told(self):
        out = self.directory / "out"
        result = spectra("quantize", self.model, "--bits", 3, "--method", "rtn", "--group-size", -1, "--calibration", self.own_text(), *SMALL,
                         "--out", out)
        self.assertIn("it has collapsed", result.stderr)

    def test_wrong_uses(self):
        out = self.directory / "out"
        short = self.directory / "short.txt"
        short.write_text("Once upon a time.")
        ternary, packed = self.directory / "ternary", self.directory / "packed"
        size = ("--hidden", 96, "--glu", 192, "--heads", 6, "--layers", 1, "--vocab", 256)
        spectra("init", *size, "--out", ternary)
        spectra("init", *size, "--packed", "2bit", "--out", packed)
        quantized = self.directory / "quantized"
        spectra("quantize", self.model, "--method", "rtn", "--out", quantized)
        data = self.directory / "data"
        spectra("prepare", "--synthetic", "stories", "--stories", 50, "--train-tokenizer", 300, "--out", data)
        damaged = self.directory / "damaged"
        damaged.mkdir()
        for file in self.model.iterdir():
            (damaged / file.name).write_bytes(file.read_bytes())
        weights = bytearray((damaged / "model.safetensors").read_bytes())
        begin, end = tensor_span(weights, "model.layers.2.input_layernorm.weight")
        weights[begin:end] = struct.pack("<f", float("nan")) * ((end - begin) // 4)
        (damaged / "model.safetensors").write_bytes(weights)

        def refused(*arguments, says, code=3, model=self.model):
            self.assert_bad_input("quantize", model, *arguments, "--out", out, says=says, code=code)

        refused("--calibration", short, *SMALL, says=["tokens", "128", "--sequence"])
        refused("--calibration", data, *SMALL, says=["another tokenizer"])
        refused("--calibration", self.directory / "nowhere", says=["nowhere"])
        refused(says=["--calibration", "rtn"], code=2)
        refused("--bits", 5, says=["--bits 5", "3, 4, 6, 8"], code=2)
        refused("--group-size", 48, "--calibration", TEXT, says=["48", "172", "1, 2, 4"], code=2)
        refused("--sequence", 4096, "--calibration", TEXT, says=["4096", "512"], code=2)
        refused("--samples", 1048576, "--calibration", TEXT, says=["activations"], code=5)
        for low_bit in (ternary, packed):
            refused("--calibration", TEXT, says=["spectra pack" if low_bit == ternary else "already"], model=low_bit)
        refused("--calibration", TEXT, says=["already"], model=quantized)
        result = spectra("quantize", damaged, "--calibration", TEXT, *SMALL, "--no-verify", "--out", out, check=False)
        self.assertEqual(result.returncode, 3)
        self.assertIn("model.layers.2.self_attn.q_proj", result.stderr)
        self.assertFalse(out.exists())


if __name__ == "__main__":
    harness.main(STORIES, TEXT)
