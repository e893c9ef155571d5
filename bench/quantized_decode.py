#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast quantized models decode, beside the bandwidth measured in the same run: random models of one size in 3, 4, 6 and 8 bits.

Each run is a process of its own; bit widths take turns, so that a slow minute of the machine hits all. Writes bench/results/quantized_decode.json.
Usage: bench/quantized_decode.py [--binary B] [--size 1.1B ...] [--runs N] [--threads N ...] [--models DIR]
"""
import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from books import ROOT, machine

BITS = [3, 4, 6, 8]
BENCH = ["--prompt", "0", "--generate", "128", "--runs", "1"]


def spread(values, digits):
    return {"min": round(min(values), digits), "median": round(statistics.median(values), digits), "max": round(max(values), digits)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    parser.add_argument("--size", nargs="+", default=["560M", "1.1B"])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--models", type=pathlib.Path, help="where the random models are kept; default: a temporary directory")
    a = parser.parse_args()
    results, load = [], [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as temporary:
        models = a.models or pathlib.Path(temporary)
        for size in a.size:
            found = {}
            for bits in BITS:
                if not (models / f"{size}-{bits}").exists():
                    subprocess.run([a.binary, "init", "--size", size, "--packed", f"{bits}bit", "--out", models / f"{size}-{bits}", "--quiet"], check=True)
            for _ in range(a.runs):
                for bits in BITS:
                    for threads in a.threads:
                        command = [a.binary, "bench", models / f"{size}-{bits}", *BENCH, "--threads", str(threads), "--json", "--quiet"]
                        out = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
                        found.setdefault((bits, threads), []).append(out)
            for (bits, threads), runs in sorted(found.items()):
                tests = [run["results"][0] for run in runs]
                results.append({"size": size, "bits": bits, "group_size": 128 if bits <= 4 else 0, "threads": threads,
                                "kernels": runs[0]["kernels"], "activations": runs[0]["activations"],
                                "megabytes_per_token": round(tests[0]["bytes_per_token"] / 1e6, 1),
                                "tokens_per_second": spread([t["tokens_per_second"]["median"] for t in tests], 1),
                                "gbytes_per_second": spread([t["gbytes_per_second"] for t in tests], 1),
                                "bandwidth_gbytes_per_second": spread([t["bandwidth_gbytes_per_second"] for t in tests], 1),
                                "percent_of_bandwidth": spread([100 * t["bandwidth_fraction"] for t in tests], 1)})
                print(json.dumps(results[-1]), file=sys.stderr)
    document = {"date": datetime.date.today().isoformat(), "machine": machine(), "runs": a.runs,
                "load_average": [round(x, 1) for x in (*load, os.getloadavg()[0])], "nice": os.getpriority(os.PRIO_PROCESS, 0),
                "commands": ["spectra init --size SIZE --packed BITSbit --out MODEL",
                             f"spectra bench MODEL {' '.join(BENCH)} --threads THREADS --json"],
                "results": results}
    (ROOT / "bench/results/quantized_decode.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
