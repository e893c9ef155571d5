#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/claims.py on made-up suites, whose differences are known."""
import importlib.util
import math
import unittest

import harness

spec = importlib.util.spec_from_file_location("claims", harness.SOURCE / "bench/claims.py")
claims = importlib.util.module_from_spec(spec)
spec.loader.exec_module(claims)

SIZES = {"a": 1e6, "b": 2e6, "c": 4e6, "d": 8e6}


def law(bits):
    return 2 + 300 / bits**0.4


def models(seeds, ternary_lead=0.1, arms=()):
    """FloatLMs on a law in bits, TriLMs of an eighth of their bits that lie `ternary_lead` below it."""
    made = []
    for seed in seeds:
        for size, bits in SIZES.items():
            made.append({"family": "float", "quantized_bits": 0, "size": size, "arm": "", "seed": seed, "size_bits": bits * 16,
                         "validation_loss": law(bits * 16) + 0.001 * seed})
            made.append({"family": "ternary", "quantized_bits": 0, "size": size, "arm": "", "seed": seed, "size_bits": bits * 4,
                         "validation_loss": law(bits * 4) - ternary_lead + 0.001 * seed})
        made += [{"family": "ternary", "quantized_bits": 0, "size": "d", "arm": arm, "seed": seed, "size_bits": 9e9, "validation_loss": 1.0} for arm in arms]
    return made


def rows(suite, claim):
    return {row["at"]: row for row in claims.claims(suite) if row["claim"] == claim}


class Claims(unittest.TestCase):
    def test_equal_bits_are_those_of_the_suites_own_models(self):
        plain = rows(models([1, 2, 3]), "TriLM - FloatLM of equal bits")
        self.assertEqual(sorted(plain), ["c", "d"], "a and b are smaller than any FloatLM")
        for row in plain.values():
            self.assertAlmostEqual(row["mean"], -0.1, delta=0.01)
            self.assertEqual(row["sign"], "-")
        self.assertEqual(rows(models([1, 2, 3], arms=["padded"]), "TriLM - FloatLM of equal bits"), plain)

    def test_between_models_of_a_law(self):
        points = [(bits, law(bits)) for bits in (1e6, 2e6, 4e6, 8e6, 16e6)]
        for bits in (1e6, 3e6, 5e6, 11e6, 16e6):
            chord_error = 0.03 * (law(1e6) - law(2e6))
            self.assertLess(abs(claims.at_bits(points, bits) - law(bits)), chord_error)
        self.assertIsNone(claims.at_bits(points, 0.9e6))
        self.assertIsNone(claims.at_bits(points, 17e6))
        self.assertGreater(claims.miss(points, 4.1e6), 0, "a curve through fewer points of a convex law lies above it")
        self.assertIsNone(claims.miss(points, 1.1e6))
        flat = claims.at_bits([(1, 5.0), (2, 4.0), (4, 4.0), (8, 3.0)], 2.8)
        self.assertAlmostEqual(flat, 4.0)

    def test_one_seed_has_no_sign(self):
        alone = rows(models([1]), "TriLM - FloatLM of equal bits")["d"]
        self.assertNotIn("sign", alone)
        self.assertNotIn("half_interval", alone)

    def test_the_interval_is_students(self):
        row = claims.summary([1.0, 2.0, 3.0])
        self.assertAlmostEqual(row["half_interval"], 4.303 / math.sqrt(3), delta=1e-3)
        self.assertEqual(claims.summary([-1.0, 1.0])["sign"], "?")


if __name__ == "__main__":
    harness.main()
