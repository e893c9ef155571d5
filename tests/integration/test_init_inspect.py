# SPDX-License-Identifier: Apache-2.0
"""init makes models of any family; inspect says what they are, and refuses damaged ones."""
import json

from harness import Case, main, spectra, spectra_json

SMALL = ("--hidden", 96, "--glu", 192, "--heads", 6, "--layers", 2, "--vocab", 256, "--shards", 3)



def linear_bytes(packed):
    """Of the linear layers of SMALL: tiles of 16 rows, in each the groups of its segments (3 where shards cut the columns: o and down),
    then per matrix 3 scales and 4 boundaries."""
    shapes = 2 * (3 * [(96, [96])] + [(96, 3 * [32])] + 2 * [(192, [96])] + [(96, 3 * [64])])
    if not packed:
        return sum(2 * rows * sum(segments) for rows, segments in shapes)
    group = {"2bit": 16, "1.6bit": 20, "1bit": 32}[packed]
    return sum(-(-rows // 16) * sum(-(-cols // group) for cols in segments) * 64 + 7 * 4 for rows, segments in shapes)


class InitInspect(Case):
    def test_every_family_and_format(self):
        for family, packed in (("float", ""), ("ternary", ""), ("binary", ""), ("ternary", "2bit"), ("ternary", "1.6bit"), ("binary", "1bit")):
            model = self.directory / f"{family}-{packed}"
            made = spectra_json("init", *SMALL, "--family", family, *(("--packed", packed) if packed else ()), "--out", model)
            seen = spectra_json("inspect", model, "--verify")
            self.assertEqual(seen["kind"], "model")
            self.assertEqual(seen["family"], family)
            self.assertTrue(seen["verified"])
            self.assertEqual(seen["parameters"]["total"], made["parameters"])
            self.assertEqual(seen["parameters"]["linear"], 2 * (4 * 96 * 96 + 3 * 96 * 192))
            self.assertGreaterEqual(seen["bytes_on_disk"], made["bytes"])
            self.assertEqual(seen["linear_bytes"], linear_bytes(packed))
            self.assertEqual(len(seen["matrices"]), 14)
            if family == "ternary":
                self.assertAlmostEqual(seen["zero_fraction"], 0.31, delta=0.02)  # P(|z| < 0.399) of a standard normal
                self.assertTrue(all(len(matrix["scales"]) == 3 for matrix in seen["matrices"]))
            self.assertIn(family, spectra("inspect", model).stdout)

    def test_a_released_size(self):
        model = self.directory / "m"
        spectra("init", "--size", "99M", "--packed", "2bit", "--out", model)
        seen = spectra_json("inspect", model)
        self.assertEqual(seen["size"], "99M")
        self.assertEqual(seen["parameters"], {"total": 99762688, "linear": 48234496, "embedding_and_head": 51511296, "norms": 16896})
        self.assertAlmostEqual(seen["size_in_bits"] / 1e9, 0.90, places=2)
        self.assertEqual(seen["provenance"]["size"], "99M")

    def test_same_seed_same_bytes(self):
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            spectra("init", *SMALL, "--seed", seed, "--out", self.directory / name)
        sums = [json.loads((self.directory / name / "spectra.json").read_text())["sha256"]["model.safetensors"] for name in "abc"]
        self.assertEqual(sums[0], sums[1])
        self.assertNotEqual(sums[0], sums[2])

    def test_bad_input(self):
        out = self.directory / "out"
        self.assert_bad_input("init", "--hidden", 256, "--glu", 640, "--heads", 4, "--layers", 1, "--vocab", 256, "--shards", 6,
                              "--out", out, says=["hidden 256", "shards 6"])
        self.assert_bad_input("init", "--size", "7B", "--out", out, says=["7B", "3.9B"])
        self.assert_bad_input("init", "--hidden", 256, "--out", out, says=["--glu"], code=2)
        self.assert_bad_input("init", *SMALL, "--packed", "1bit", "--out", out, says=["binary"], code=2)
        self.assert_bad_input("init", "--hidden", 65536, "--glu", 1 << 24, "--heads", 64, "--layers", 100, "--vocab", 256, "--out", out,
                              says=["memory"], code=5)
        self.assert_bad_input("inspect", self.directory / "none", says=["none"])
        model = self.directory / "m"
        spectra("init", *SMALL, "--out", model)
        self.assert_bad_input("init", *SMALL, "--out", model, says=["exists"])
        file = model / "model.safetensors"
        whole = file.read_bytes()
        file.write_bytes(whole[:-10])
        self.assert_bad_input("inspect", model, says=["model.safetensors"])
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        self.assert_bad_input("inspect", model, "--verify", says=["model.safetensors", "sha256"])


if __name__ == "__main__":
    main()
