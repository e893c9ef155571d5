#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time of `spectra quantize` and of its parts on a random float model of the 390M shape, beside the machine's peak in matrix products, and
what that predicts for the paper's 512 x 2048 calibration tokens and for its largest model.

Writes bench/results/quantize-speed.json. Usage: bench/quantize_speed.py [--binary B] [--samples 16] [--precision bf16 fp32] [--runs DIR]
"""
import argparse
import datetime
import json
import os
import pathlib
import sys
import tempfile

from activations import call
from books import ROOT, machine

SIZES = {"390M": (1024, 2560, 24), "3.9B": (3072, 9216, 30)}  # hidden, glu, layers
PAPER_TOKENS, SEQUENCE = 512 * 2048, 2048
PARTS = {"forward": "tokens", "hessians": "tokens", "factors": "once", "columns": "once", "errors": "once"}


def flop(size):
    """Of gptq: for each token (forward, Hessians), and once (factors, columns, errors)."""
    d, f, layers = SIZES[size]
    widths = ((d, 3 * d), (d, d), (d, 2 * f), (f, d))  # columns and rows of q k v, o, gate up, down
    squares = sum(rows * cols**2 for cols, rows in widths)
    panels = 0.625  # of a symmetric matrix in four panels
    return {"forward": layers * (2 * sum(rows * cols for cols, rows in widths) + 2 * SEQUENCE * d),
            "hessians": layers * panels * 2 * sum(cols**2 for cols, _ in widths),
            "factors": layers * 2 / 3 * sum(cols**3 for cols, _ in widths), "columns": layers * squares, "errors": layers * 4 * squares}


def predict(size, rates, overhead_per_weight):
    work, (d, f, layers) = flop(size), SIZES[size]
    seconds = {name: work[name] * (PAPER_TOKENS if kind == "tokens" else 1) / rates[name] for name, kind in PARTS.items()}
    seconds["rest"] = overhead_per_weight * layers * (4 * d * d + 3 * d * f)
    return {"tokens": PAPER_TOKENS, "hours": round(sum(seconds.values()) / 3600, 2), "seconds": {k: round(v) for k, v in seconds.items()}}


def measure(binary, model, text, samples, precision, folder):
    report = call(binary, "quantize", model, "--bits", 4, "--precision", precision, "--calibration", text, "--samples", samples, "--no-verify",
                  "--out", pathlib.Path(folder) / precision)
    rates = {part["name"]: part["flop"] / part["seconds"] for part in report["parts"]}
    parts = [{"name": part["name"], "seconds": round(part["seconds"], 2), "gflops": round(rates[part["name"]] / 1e9, 1),
              "share_of_peak": round(rates[part["name"]] / report["peak_flops"], 3)} for part in report["parts"]]
    weights = sum(linear["rows"] * linear["cols"] for linear in report["linears"])
    rest = report["seconds"] - sum(part["seconds"] for part in report["parts"])
    row = {"backend": report["backend"], "samples": samples, "sequence": report["sequence"], "seconds": round(report["seconds"], 1),
           "peak_gflops": round(report["peak_flops"] / 1e9, 1), "parts": parts, "rest_seconds": round(rest, 1),
           "peak_rss_bytes": report["peak_rss_bytes"],
           "predicted": {size: predict(size, rates, rest / weights) for size in SIZES}}
    print(json.dumps(row, indent=1), file=sys.stderr, flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--precision", nargs="+", default=["bf16", "fp32"])
    parser.add_argument("--runs", type=pathlib.Path, help="where the model (0.8 GB) and its results lie")
    a = parser.parse_args()
    source = ROOT / "../shared/data"
    with tempfile.TemporaryDirectory(dir=a.runs) as folder:
        model = pathlib.Path(folder) / "390M"
        call(a.binary, "init", "--size", "390M", "--family", "float", "--tokenizer", source / "tokenizer/20B_tokenizer.json.gz", "--out", model)
        rows = [measure(a.binary, model, source / "text/novels-train.txt.zst", a.samples, precision, folder) for precision in a.precision]
    result = {"date": datetime.date.today().isoformat(), "machine": machine(), "load_before": os.getloadavg()[0],
              "command": f"bench/quantize_speed.py --samples {a.samples} --precision {' '.join(a.precision)}", "runs": rows}
    (ROOT / "bench/results/quantize-speed.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
