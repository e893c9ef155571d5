#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is a build of spectra slower than another? Decode and prefill of random packed 99M and 1.1B models, training steps of 10M and 99M TriLMs.

Each round runs both builds once per test, the one that begins takes turns; a test's ratio is the median of the rounds' ratios. Exit 4 where one
lies below --least. Writes bench/results/paired-speed.json (--out). Wants a machine with nothing else to do.
Usage: bench/paired_speed.py [--rounds 5] [--threads 2] [--least 0.98] [--tests PART] [--models DIR] [--out FILE] BEFORE AFTER
"""
import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from activations import call
from books import ROOT, machine
from infer_vs_llama import read_afresh, spread
from train_vs_torch import MODELS

# Tokens of the prompt and tokens decoded; steps timed and steps before them.
INFERENCE = {"99M": (1024, 512), "1.1B": (256, 64)}
TRAINING = {"10M": (8, 2), "99M": (2, 1)}


def inference(binary, model, prompt, generate, threads):
    """{kind: tokens a second} of one process."""
    report = call(binary, "bench", model, "--prompt", prompt, "--generate", generate, "--runs", 1, "--threads", threads, "--no-limits")
    return {result["test"].split()[0]: result["tokens_per_second"]["median"] for result in report["results"]}


def training(binary, dimensions, steps, warmup, threads):
    """Tokens a second of the median step of a ternary model."""
    options = [part for name, value in dimensions.items() for part in (f"--{name}", value)]
    return call(binary, "bench", "--train", *options, "--steps", steps, "--warmup", warmup, "--threads", threads)["tokens_per_second"]["median"]


def init(binary, directory, size):
    """A random model of the size, 2 bits a weight, made where it is missing."""
    model = directory / f"{size}-2bit"
    if not model.exists():
        call(binary, "init", "--size", size, "--packed", "2bit", "--out", model)
    return model


def measurements(arguments, directory):
    """{name: function of a binary that gives {test: tokens a second}}."""
    found = {}
    for size, (prompt, generate) in INFERENCE.items():
        if arguments.tests in f"inference {size}":
            model = init(arguments.before, directory, size)
            read_afresh(model)
            found[f"inference {size}"] = lambda binary, size=size, model=model, n=(prompt, generate): {
                f"{kind} {size}": rate for kind, rate in inference(binary, model, *n, arguments.threads).items()}
    for size, (steps, warmup) in TRAINING.items():
        if arguments.tests in f"training {size}":
            found[f"training {size}"] = lambda binary, size=size, n=(steps, warmup): {
                f"training {size}": training(binary, MODELS[size], *n, arguments.threads)}
    return found


def version(binary):
    return subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()


def measure(arguments, builds):
    """{test: {build: [tokens a second of each round]}}."""
    rates = {}
    with tempfile.TemporaryDirectory() as temporary:
        tests = measurements(arguments, arguments.models or pathlib.Path(temporary))
        for round in range(arguments.rounds):
            for test in tests.values():
                for name in sorted(builds, reverse=round % 2 == 0):
                    for key, rate in test(builds[name]).items():
                        rates.setdefault(key, {}).setdefault(name, []).append(rate)
            print(f"round {round + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=pathlib.Path)
    parser.add_argument("after", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--least", type=float, default=0.98)
    parser.add_argument("--tests", default="", metavar="PART", help="only those whose name holds this: inference, training, 99M ...")
    parser.add_argument("--models", type=pathlib.Path, metavar="DIR", help="where the random models are kept; default: a temporary directory")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/paired-speed.json")
    arguments = parser.parse_args()
    builds = {"before": arguments.before.resolve(), "after": arguments.after.resolve()}
    load = os.getloadavg()[0]
    rates = measure(arguments, builds)
    results = {test: {**{name: spread(values) for name, values in found.items()},
                      "ratio": spread([after / before for before, after in zip(found["before"], found["after"])])} for test, found in rates.items()}
    arguments.out.write_text(json.dumps({
        "date": datetime.date.today().isoformat(), "machine": machine(), "load_before": load,
        "command": f"bench/paired_speed.py --rounds {arguments.rounds} --threads {arguments.threads} BEFORE AFTER",
        "versions": {name: version(binary) for name, binary in builds.items()}, "unit": "tokens/s", "results": results}, indent=1) + "\n")
    print(f"{'tokens/s':16}{'before':>12}{'after':>12}{'ratio':>9}  [min .. max]")
    for test, row in results.items():
        print(f"{test:16}{row['before']['median']:12.1f}{row['after']['median']:12.1f}{row['ratio']['median']:9.3f}"
              f"  [{row['ratio']['min']:.3f} .. {row['ratio']['max']:.3f}]")
    sys.exit(4 if any(row["ratio"]["median"] < arguments.least for row in results.values()) else 0)


if __name__ == "__main__":
    main()
