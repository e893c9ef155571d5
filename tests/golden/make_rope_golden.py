#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes rope.json beside itself: inverse frequencies and attention factors of every kind of RoPE scaling, by the formulas of
transformers 4.57 (modeling_rope_utils.py), spelled out in Python and in double; the C++ code was written from the papers.

    python3 tests/golden/make_rope_golden.py
"""
import json
import math
import pathlib

HERE = pathlib.Path(__file__).parent
CASES = [
    {"name": "Llama 2", "head_dim": 128, "max_position_embeddings": 4096, "rope_theta": 10000.0, "rope_scaling": None},
    {"name": "linear", "head_dim": 64, "max_position_embeddings": 8192, "rope_theta": 10000.0,
     "rope_scaling": {"rope_type": "linear", "factor": 4.0}},
    {"name": "Llama 3.1", "head_dim": 128, "max_position_embeddings": 131072, "rope_theta": 500000.0,
     "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                      "original_max_position_embeddings": 8192}},
    {"name": "Llama 3.2", "head_dim": 64, "max_position_embeddings": 131072, "rope_theta": 500000.0,
     "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                      "original_max_position_embeddings": 8192}},
    {"name": "yarn of Bonsai 8B", "head_dim": 128, "max_position_embeddings": 65536, "rope_theta": 1000000.0,
     "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16384}},
    {"name": "yarn with all numbers", "head_dim": 96, "max_position_embeddings": 4096, "rope_theta": 10000.0,
     "rope_scaling": {"rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 256, "beta_fast": 24.0, "beta_slow": 2.0,
                      "mscale": 0.707, "mscale_all_dim": 1.0, "truncate": False}},
    {"name": "yarn with a given attention factor", "head_dim": 64, "max_position_embeddings": 2048, "rope_theta": 10000.0,
     "rope_scaling": {"rope_type": "yarn", "factor": 2.0, "attention_factor": 1.25}},
]


def default(case):
    dim = case["head_dim"]
    return [1.0 / case["rope_theta"] ** (i / dim) for i in range(0, dim, 2)]


def llama3(case):
    scaling = case["rope_scaling"]
    old_length = scaling["original_max_position_embeddings"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    result = []
    for frequency in default(case):
        wavelength = 2 * math.pi / frequency
        if wavelength < old_length / high:
            result.append(frequency)
        elif wavelength > old_length / low:
            result.append(frequency / scaling["factor"])
        else:
            smooth = (old_length / wavelength - low) / (high - low)
            result.append((1 - smooth) * frequency / scaling["factor"] + smooth * frequency)
    return result


def yarn(case):
    scaling, dim, base = case["rope_scaling"], case["head_dim"], case["rope_theta"]
    length = scaling.get("original_max_position_embeddings") or case["max_position_embeddings"]

    def correction_dim(rotations):
        return dim * math.log(length / (rotations * 2 * math.pi)) / (2 * math.log(base))

    low, high = correction_dim(scaling.get("beta_fast", 32)), correction_dim(scaling.get("beta_slow", 1))
    if scaling.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    result = []
    for i, frequency in enumerate(default(case)):
        ramp = min(1.0, max(0.0, (i - low) / (high - low)))
        extrapolated = 1 - ramp
        result.append(frequency / scaling["factor"] * (1 - extrapolated) + frequency * extrapolated)
    return result


def attention_factor(scaling):
    if scaling is None or scaling["rope_type"] != "yarn":
        return 1.0
    if "attention_factor" in scaling:
        return scaling["attention_factor"]

    def mscale(scale):
        return 0.1 * scale * math.log(scaling["factor"]) + 1.0

    if "mscale" in scaling:
        return mscale(scaling["mscale"]) / mscale(scaling["mscale_all_dim"])
    return mscale(1.0)


def frequencies(case):
    if case["rope_scaling"] is None:
        return default(case)
    kind = case["rope_scaling"]["rope_type"]
    if kind == "linear":
        return [frequency / case["rope_scaling"]["factor"] for frequency in default(case)]
    return llama3(case) if kind == "llama3" else yarn(case)


def main():
    for case in CASES:
        case["inverse_frequencies"] = frequencies(case)
        case["attention_factor"] = attention_factor(case["rope_scaling"])
    (HERE / "rope.json").write_text(json.dumps(CASES, indent=1) + "\n")


if __name__ == "__main__":
    main()
