#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""convert, generate and perplexity as a user runs them, on a trained model with published outputs."""
import json
import math
import signal
import subprocess
import time

from harness import BINARY, DATA, Case, main, spectra, spectra_json

MODEL = DATA / "model/stories260k"


class Generate(Case):
    def setUp(self):
        super().setUp()
        self.model = self.directory / "model"
        spectra("convert", MODEL / "stories260K.bin", self.model, "--tokenizer", MODEL / "tok512.bin")

    def test_stdout_is_the_published_text(self):
        result = spectra("generate", self.model, "--prompt", "", "--max-tokens", 200)
        self.assertEqual(result.stdout, (MODEL / "greedy-bos-200.txt").read_text())
        self.assertIn("activations fp32", result.stderr)

    def test_json(self):
        result = spectra_json("generate", self.model, "--prompt", "Zoo", "--max-tokens", 57, "--echo")
        self.assertEqual(result["text"], (MODEL / "greedy-zoo-60.txt").read_text())
        self.assertEqual((result["schema"], result["tokens"], result["finish_reason"]), ("spectra.generate/1", 57, "length"))
        self.assertGreater(result["prefill_tokens_per_second"], 0)
        self.assertGreater(result["decode_tokens_per_second"], 0)
        stopped = spectra_json("generate", self.model, "--prompt", "Zoo", "--stop", "named")
        self.assertEqual((stopped["text"], stopped["finish_reason"]), (" was a little girl ", "stop"))

    def test_a_draft_model_changes_nothing_but_the_speed(self):
        plain = spectra_json("generate", self.model, "--prompt", "One day", "--max-tokens", 100)
        self.assertIsNone(plain["draft"])
        result = spectra_json("generate", self.model, "--prompt", "One day", "--max-tokens", 100, "--draft", self.model, "--draft-tokens", 6)
        self.assertEqual(result["ids"], plain["ids"])
        draft = result["draft"]
        self.assertEqual((draft["tokens"], draft["acceptance_rate"]), (6, 1))
        self.assertEqual(draft["accepted"], draft["proposed"])
        other = self.directory / "other"
        spectra("init", "--hidden", 64, "--glu", 128, "--heads", 2, "--layers", 1, "--vocab", 300, "--family", "float", "--out", other)
        self.assert_bad_input("generate", self.model, "--prompt", "a", "--draft", other, says=("other",))
        self.assert_bad_input("generate", self.model, "--prompt", "a", "--draft-tokens", 0, says=("--draft-tokens",), code=2)

    def test_one_choice_for_model_and_draft(self):
        packed = self.packed()
        command = ["generate", packed, "--prompt", "One day", "--max-tokens", 10, "--draft", self.model]
        self.assertEqual(spectra_json(*command)["activations"], "int8")  # auto, of each by itself
        self.assertEqual(spectra_json(*command, "--activations", "bf16")["activations"], "bf16")
        self.assert_bad_input(*command, "--activations", "int8", says=(str(self.model), "not packed"))

    def test_perplexity_takes_the_options_of_every_engine(self):
        text = self.directory / "short.txt"
        text.write_text("Once upon a time there was a fox.")
        command = ["perplexity", self.packed(), "--text", text]
        exact, auto = spectra_json(*command), spectra_json(*command, "--activations", "auto")
        self.assertEqual((exact["activations"], auto["activations"]), ("fp32", "int8"))
        self.assertEqual(auto["nll"], spectra_json(*command, "--activations", "int8")["nll"])
        self.assertEqual(exact["nll"], spectra_json(*command, "--huge-pages", "--kv-memory", "4MiB")["nll"])

    def packed(self):
        model = self.directory / "packed"
        if not model.exists():
            spectra("init", "--hidden", 64, "--glu", 128, "--heads", 2, "--layers", 1, "--packed", "2bit", "--tokenizer", self.model,
                    "--out", model)
        return model

    def test_memory_for_keys_and_values(self):
        model = self.directory / "wide"
        spectra("init", "--hidden", 256, "--glu", 256, "--heads", 4, "--layers", 4, "--vocab", 512, "--family", "float",
                "--tokenizer", self.model, "--out", model)
        page = 4 * 256 * 2 * 64 * 4  # layers, D, keys and values, positions, fp32
        fits = (1 << 20) // page * 64
        text = spectra("generate", model, "--prompt", "", "--max-tokens", fits, "--kv-memory", 1).stdout
        self.assertEqual(text, spectra("generate", model, "--prompt", "", "--max-tokens", fits).stdout)
        self.assert_bad_input("generate", model, "--prompt", "", "--max-tokens", fits + 1, "--kv-memory", 1,
                              says=("3 pages", "are 2", "--kv-memory"), code=5)
        half = spectra_json("generate", model, "--prompt", "", "--max-tokens", 2 * fits, "--kv-memory", 1, "--kv", "fp16")
        self.assertEqual(half["kv"], "fp16")
        self.assert_bad_input("generate", model, "--prompt", "", "--kv-memory", 1 << 40, says=("keys and values",), code=5)

    def test_rolling_perplexity_of_a_text_within_the_context_is_the_reference(self):
        reference = json.loads((MODEL / "logprobs.jsonl").read_text().splitlines()[1])
        text = self.directory / "text.txt"
        text.write_text((MODEL / "logprobs-texts.txt").read_text().split("\n----\n")[1])
        result = spectra_json("perplexity", self.model, "--text", text)
        self.assertEqual(result["tokens"], len(reference["logprobs"]))
        self.assertAlmostEqual(result["perplexity"], reference["ppl"], delta=1e-3 * reference["ppl"])
        self.assertAlmostEqual(math.exp(result["nll"]), result["perplexity"], places=6)
        for kind, exact in (("--head", "fp32"), ("--kv", "fp32")):
            rounded = spectra_json("perplexity", self.model, "--text", text, kind, "int8")
            self.assertEqual((result[kind[2:]], rounded[kind[2:]]), (exact, "int8"))
            self.assertNotEqual(rounded["nll"], result["nll"])
            self.assertAlmostEqual(rounded["nll"], result["nll"], delta=0.01)
        self.assertEqual((result["convention"], result["activations"]), ("rolling", "fp32"))

    def test_bad_input(self):
        self.assert_bad_input("generate", self.model, "--prompt", "word " * 600, says=("512", "context"))
        self.assert_bad_input("generate", self.model, "--prompt", "a", "--activations", "int8", says=("not packed",))
        self.assert_bad_input("generate", self.model, "--prompt", "a", "--top-p", "0", says=("top_p",), code=2)
        cut = self.directory / "cut.bin"
        cut.write_bytes((MODEL / "stories260K.bin").read_bytes()[:500_000])
        self.assert_bad_input("convert", cut, self.directory / "out", "--tokenizer", MODEL / "tok512.bin", says=("cut.bin", "truncated"))
        weights = self.model / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1])
        self.assert_bad_input("generate", self.model, "--prompt", "a", says=("model.safetensors",))

    def test_interrupt_ends_with_130(self):
        text = self.directory / "long.txt"
        text.write_text("Once upon a time there was a word. " * 20_000)
        command = [str(BINARY), "perplexity", str(self.model), "--text", str(text)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            process.stderr.readline()  # it has begun
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            process.stderr.read()
            self.assertEqual(process.wait(timeout=60), 130)


if __name__ == "__main__":
    main(MODEL)
