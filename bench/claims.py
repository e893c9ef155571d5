#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The paper's claims on suites of small models: differences of validation loss, paired by seed, with their spread.

Reads what `spectra suite` wrote; writes bench/results/claims.json and prints a table. docs/reproduce-paper.md quotes it.
At equal bits: the other kind's loss is interpolated at the TriLM's size, only where its own models lie on both sides, by a monotone cubic
(Fritsch and Carlson 1980) in the logarithm of the size in bits: chords of a convex curve lie above it. `interpolation` says how far the
curve through the neighbours misses a model that is left out, which is some times more than it misses between two.
Usage: bench/claims.py NAME=RESULTS.json...
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


def slopes(x, y):
    """Of a monotone cubic at its points: the harmonic mean of those beside it, one-sided at the ends."""
    chord = [(y[i + 1] - y[i]) / (x[i + 1] - x[i]) for i in range(len(x) - 1)]
    inner = [0 if a * b <= 0 else 2 * a * b / (a + b) for a, b in zip(chord, chord[1:])]
    return [chord[0], *inner, chord[-1]]


def at_bits(points, bits):
    """Loss at a size in bits, from [(bits, loss)]; None outside of them."""
    points = sorted(points)
    x, y = [math.log(p[0]) for p in points], [p[1] for p in points]
    wanted, last = math.log(bits), len(x) - 1
    if last < 1 or not x[0] <= wanted <= x[last]:
        return None
    slope = slopes(x, y)
    i = next(i for i in range(last) if wanted <= x[i + 1])
    width = x[i + 1] - x[i]
    t = (wanted - x[i]) / width
    return (y[i] * (1 + 2 * t) * (1 - t) ** 2 + slope[i] * width * t * (1 - t) ** 2
            + y[i + 1] * t * t * (3 - 2 * t) + slope[i + 1] * width * t * t * (t - 1))


def miss(points, bits):
    """How far the curve misses the model nearest in size when that one is left out; None for the first and the last."""
    points = sorted(points)
    nearest = min(range(len(points)), key=lambda i: abs(math.log(points[i][0] / bits)))
    if nearest in (0, len(points) - 1):
        return None
    return at_bits(points[:nearest] + points[nearest + 1:], points[nearest][0]) - points[nearest][1]


def summary(differences):
    """95 % interval of the mean over seeds (Student's t), each by itself; a sign only where several seeds all agree."""
    values = [round(d, 4) for d in differences]
    row = {"differences": values, "mean": round(statistics.mean(differences), 4)}
    if len(values) > 1:
        t = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}[len(values)]
        row["half_interval"] = round(t * statistics.stdev(differences) / math.sqrt(len(values)), 4)
    if len(values) > 1:
        row["sign"] = "+" if min(values) > 0 else "-" if max(values) < 0 else "?"
    return row


def claims(models):
    loss, bits = collections.defaultdict(dict), {}
    for m in models:
        if m["validation_loss"] is not None:
            loss[kind(m), m["arm"], m["size"]][m["seed"]] = m["validation_loss"]
            if not m["arm"]:
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
            differences, missed = [], []
            for seed, value in seeds.items():
                points = [(bits[other, s], loss[other, "", s][seed]) for s in sizes if seed in loss[other, "", s]]
                there = at_bits(points, bits["TriLM", size])
                if there is not None:
                    differences.append(value - there)
                    missed.append(miss(points, bits["TriLM", size]))
            if differences:
                known = [m for m in missed if m is not None]
                rows.append({"claim": f"TriLM - {other} of equal bits", "at": size, **summary(differences),
                             "interpolation": round(statistics.mean(known), 4) if known else None})
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
            print(f"{name:6} {row['claim']:44} {row['at']:>6} {row['mean']:+.4f} ± {row.get('half_interval', math.nan):.4f} {row.get('sign', ' ')} {row['differences']} {row.get('interpolation', '')}")
    (ROOT / "bench/results/claims.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
