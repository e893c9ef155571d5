#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Directories with pytorch_model.bin, written by real PyTorch where it is installed (the unit tests have such files by hand)."""
import json
import shutil
import subprocess
import unittest

import harness
from harness import spectra, spectra_json
from test_gguf import tensors

PYTHON = "/usr/bin/python3"  # Debian's python3-torch


def has_torch():
    return subprocess.run([PYTHON, "-c", "import torch"], capture_output=True, check=False).returncode == 0


class TorchBin(harness.Case):
    @unittest.skipUnless(has_torch(), "SKIPPED: python3-torch is not installed")
    def test_real_files(self):
        for dtype in ("f16", "bf16", "f32"):
            made, model = self.directory / f"made-{dtype}", self.directory / dtype
            spectra("init", "--hidden", 64, "--glu", 96, "--heads", 2, "--layers", 2, "--shards", 2, "--vocab", 200, "--family", "float", "--out", made)
            spectra("convert", made, model, "--to", "hf", "--type", dtype)
            for kind in ("single", "sharded"):
                torch, back = self.directory / f"torch-{dtype}-{kind}", self.directory / f"back-{dtype}-{kind}"
                subprocess.run([PYTHON, str(harness.SOURCE / "tests/integration/make_torch_model.py"), str(model), str(torch), kind], check=True)
                self.assert_bad_input("pack", torch, "--format", "2bit", "--out", self.directory / "no", says=["spectra convert"])
                spectra("convert", torch, back)
                found = tensors(back)
                self.assertEqual(found.pop("rotary_emb.inv_freq")[1], [4])
                self.assertTrue(found == tensors(model), (dtype, kind))
                self.assertEqual(json.loads((back / "config.json").read_text()), json.loads((model / "config.json").read_text()))

    def test_incomplete_models_are_refused(self):
        model = self.directory / "model"
        model.mkdir()
        (model / "pytorch_model.bin").write_bytes(b"PK nothing")
        self.assert_bad_input("convert", model, self.directory / "out", says=["config.json"])
        made = self.directory / "made"
        spectra("init", "--hidden", 64, "--glu", 96, "--heads", 2, "--layers", 1, "--vocab", 200, "--family", "float", "--out", made)
        shutil.copy(made / "config.json", model)
        self.assert_bad_input("convert", model, self.directory / "out", says=["pytorch_model.bin: is not a zip file"])
        (model / "pytorch_model.bin").unlink()
        (model / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "../b.bin"}}')
        self.assert_bad_input("convert", model, self.directory / "out", says=["is not a file name"])
        (model / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "b.bin"}}')
        self.assert_bad_input("convert", model, self.directory / "out", says=["b.bin, which is missing"])


class PackSources(harness.Case):
    """What pack takes: types, padded vocabularies, one to six scales, with and without the right number in config.json."""

    def test_scales_are_found(self):
        for shards, vocab, dtype in ((1, 50304, "f16"), (2, 50432, "bf16"), (3, 50304, "f32"), (6, 50688, "f16")):
            made, model, packed = (self.directory / f"{name}{shards}" for name in ("made", "model", "packed"))
            spectra("init", "--hidden", 96, "--glu", 192, "--heads", 6, "--layers", 1, "--shards", shards, "--vocab", vocab, "--out", made)
            spectra("convert", made, model, "--to", "hf", "--type", dtype)
            result = spectra_json("pack", model, "--format", "2bit", "--out", packed)
            self.assertEqual(result["other_shards"], 0)
            self.assertEqual({p["shards"] for p in result["projections"].values()}, {shards})
            spectra("unpack", packed, "--out", self.directory / f"back{shards}")
            self.assertTrue(tensors(self.directory / f"back{shards}") == tensors(model))

    def test_config_and_weights_disagree(self):
        model = self.directory / "model"
        spectra("init", "--hidden", 96, "--glu", 192, "--heads", 6, "--layers", 1, "--shards", 3, "--vocab", 200, "--out", model)
        config = json.loads((model / "config.json").read_text())
        del config["pretraining_model_parallel"]
        (model / "config.json").write_text(json.dumps(config))
        (model / "spectra.json").unlink()
        result = spectra("pack", model, "--format", "1.6bit", "--out", self.directory / "packed", "--json")
        self.assertEqual(json.loads(result.stdout)["other_shards"], 7)
        self.assertIn("config.json says 1 scales a matrix (pretraining_model_parallel), but 7 of 7 matrices have others", result.stderr)
        spectra("unpack", self.directory / "packed", "--out", self.directory / "back")
        self.assertTrue(tensors(self.directory / "back") == tensors(model))


if __name__ == "__main__":
    harness.main()
