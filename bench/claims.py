#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The paper's claims on suites of small models: differences of validation loss, paired by seed, with their spread.

Reads what `spectra suite` wrote; writes bench/results/claims.json and prints a table. docs/reproduce-paper.md quotes it.
At equal bits: the other kind's loss is interpolated, linear in the logarithm of the size in bits, at the TriLM's size; only where its
own models lie on both sides. Usage: bench/claims.py NAME=RESULTS.json...
"""
import collections
import json
import math
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
KINDS = {("float", 0): "FloatLM", ("ternary", 0): "TriLM", ("binary", 0): "BiLM"}


def kind(model):
    return KINDS.get((model["family"], model["quantized_bits"])) or f"QuantLM {model['quantized_bits']}-bit"


def at_bits(points, bits):
    """Loss at a size in bits, from [(bits, loss)]; None outside of them."""
    points = sorted(points)
    for (low, a), (high, b) in zip(points, points[1:]):
        if low <= bits <= high:
            share = math.log(bits / low) / math.log(high / low)
            return a + share * (b - a)
    return None


def summary(differences):
    """95 % interval of the mean over seeds (Student's t); a sign only where all seeds agree."""
    values = [round(d, 4) for d in differences]
    row = {"differences": values, "mean": round(statistics.mean(differences), 4)}
    if len(values) > 1:
        t = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}[len(values)]
        row["half_interval"] = round(t * statistics.stdev(differences) / math.sqrt(len(values)), 4)
    row["sign"] = "+" if min(values) > 0 else "-" if max(values) < 0 else "?"
    return row


def claims(models):
    loss, bits = collections.defaultdict(dict), {}
    for m in models:
        if m["validation_loss"] is not None:
            loss[kind(m), m["arm"], m["size"]][m["seed"]] = m["validation_loss"]
            bits[kind(m), m["size"]] = m["size_bits"]
    sizes = list(dict.fromkeys(m["size"] for m in models))

    def paired(a, b):
        return summary([loss[a][s] - loss[b][s] for s in loss[a] if s in loss[b]]) if set(loss[a]) & set(loss[b]) else None

    rows = []
    for a, b in (("TriLM", "FloatLM"), ("BiLM", "TriLM"), ("QuantLM 8-bit", "FloatLM"), ("QuantLM 6-bit", "FloatLM"),
                 ("QuantLM 4-bit", "FloatLM"), ("QuantLM 3-bit", "QuantLM 4-bit"), ("TriLM", "QuantLM 3-bit")):
        for size in sizes:
            if row := paired((a, "", size), (b, "", size)):
                rows.append({"claim": f"{a} - {b}", "at": size, **row})
    for other in ("FloatLM", "QuantLM 4-bit", "QuantLM 3-bit", "BiLM"):
        for size in sizes:
            seeds = loss["TriLM", "", size]
            differences = []
            for seed, value in seeds.items():
                points = [(bits[other, s], loss[other, "", s][seed]) for s in sizes if seed in loss[other, "", s]]
                there = at_bits(points, bits["TriLM", size])
                if there is not None:
                    differences.append(value - there)
            if differences:
                rows.append({"claim": f"TriLM - {other} of equal bits", "at": size, **summary(differences)})
    for name, arm, size in sorted(k for k in loss if k[1]):
        if row := paired((name, arm, size), (name, "", size)):
            rows.append({"claim": f"{arm} - own recipe ({name})", "at": size, **row})
    return rows


def main():
    result = {"command": "bench/claims.py", "unit": "nats a token of validation loss"}
    for argument in sys.argv[1:]:
        name, path = argument.split("=", 1)
        suite = json.loads(pathlib.Path(path).read_text())
        result[name] = {"suite_sha256": suite["suite_sha256"], "models": len(suite["models"]), "rows": claims(suite["models"])}
        for row in result[name]["rows"]:
            print(f"{name:6} {row['claim']:44} {row['at']:>6} {row['mean']:+.4f} ± {row.get('half_interval', math.nan):.4f} {row['sign']} {row['differences']}")
    (ROOT / "bench/results/claims.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
