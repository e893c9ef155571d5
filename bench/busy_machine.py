#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is left of the speed beside other processes that burn a core each: decode and prefill of a random 99M model of 2 bits a weight, training
of a 2.6M TriLM (that of recipes/demo-tri.toml), quantization of a small float model. Alone, beside one and beside two such processes.

Each round runs every measurement once, on as many threads as there are cores and on one; with --before another build takes turns on all cores.
Writes bench/results/busy-machine.json (--out); exit 4 where a median share of the speed alone lies below its target. Wants a machine with
nothing else to do. Usage: bench/busy_machine.py [--binary B] [--before B] [--rounds 5] [--loads 0 1 2] [--only PART] [--out FILE]
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from activations import call
from books import ROOT, machine
from infer_vs_llama import spread
from paired_speed import inference, init, training, version

DEMO = {"hidden": 192, "glu": 512, "heads": 6, "layers": 4, "vocab": 2048, "batch": 16, "sequence": 256}
ROUNDED = {"hidden": 384, "glu": 1024, "heads": 6, "layers": 6}
# Of the speed alone, beside one and beside two processes.
TARGETS = {"decode": (0.50, 0.38), "prefill": (0.50, 0.38), "training": (0.48, 0.35), "quantize": (0.48, 0.35)}
COMMANDS = ["spectra bench MODEL --prompt 512 --generate 256 --runs 1 --threads THREADS --no-limits",
            "spectra bench --train " + " ".join(f"--{name} {value}" for name, value in DEMO.items()) + " --steps 8 --warmup 2 --threads THREADS",
            "spectra quantize FLOAT --bits 4 --calibration DATA --samples 16 --sequence 512 --no-verify --threads THREADS"]


@contextlib.contextmanager
def busy(processes):
    """So many processes that do nothing but burn a core each."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    time.sleep(0.5 if burners else 0)
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def quantize(binary, folder, threads):
    """Calibration tokens a second, of the whole call's own time."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        report = call(binary, "quantize", folder / "float", "--bits", 4, "--calibration", folder / "data", "--samples", 16, "--sequence", 512,
                      "--no-verify", "--out", pathlib.Path(out) / "out", "--threads", threads)
    return report["samples"] * report["sequence"] / report["seconds"]


def prepare(binary, folder):
    call(binary, "prepare", "--synthetic", "stories", "--stories", 2000, "--train-tokenizer", DEMO["vocab"], "--out", folder / "data")
    dimensions = [part for name, value in ROUNDED.items() for part in (f"--{name}", value)]
    call(binary, "init", *dimensions, "--family", "float", "--tokenizer", folder / "data", "--out", folder / "float")
    model = init(binary, folder, "99M")
    return {"inference": lambda binary, threads: inference(binary, model, 512, 256, threads),
            "training": lambda binary, threads: {"training": training(binary, DEMO, 8, 2, threads)},
            "quantize": lambda binary, threads: {"quantize": quantize(binary, folder, threads)}}


def measure(arguments, arms):
    """{(test, arm, load): [tokens a second of each round]}; an arm is a name with a binary and a number of threads."""
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        tests = {name: test for name, test in prepare(arguments.binary, pathlib.Path(folder)).items() if arguments.only in name}
        for round in range(arguments.rounds):
            for load in arguments.loads:
                for test in tests.values():
                    for arm, (binary, threads) in arms.items():
                        with busy(load):
                            for name, rate in test(binary, threads).items():
                                rates.setdefault((name, arm, load), []).append(rate)
            print(f"round {round + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    return rates


def table(rates):
    """A row for each test and arm; shares are of the same round's speed alone."""
    rows = []
    for name, arm in dict.fromkeys((name, arm) for name, arm, _ in rates):
        loads = sorted(load for test, of, load in rates if (test, of) == (name, arm))
        row = {"test": name, "arm": arm, "tokens_per_second": {load: spread(rates[name, arm, load]) for load in loads}}
        if loads[0] == 0:
            row["share"] = {load: spread([r / alone for r, alone in zip(rates[name, arm, load], rates[name, arm, 0])]) for load in loads[1:]}
        rows.append(row)
    return rows


def missed(rows, arm):
    return [f"{row['test']} beside {load}: {share['median']:.2f} of the speed alone, wanted {TARGETS[row['test']][load - 1]:.2f}"
            for row in rows if row["arm"] == arm for load, share in row.get("share", {}).items()
            if load <= 2 and share["median"] < TARGETS[row["test"]][load - 1]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    parser.add_argument("--before", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loads", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", default="", metavar="PART", help="inference, training or quantize")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/busy-machine.json")
    arguments = parser.parse_args()
    arguments.binary, cores, load = arguments.binary.resolve(), os.cpu_count(), os.getloadavg()[0]
    arms = {f"{cores} threads": (arguments.binary, cores), "1 thread": (arguments.binary, 1)}
    if arguments.before:
        arms[f"before, {cores} threads"] = (arguments.before.resolve(), cores)
    rows = table(measure(arguments, arms))
    arguments.out.write_text(json.dumps({
        "date": datetime.date.today().isoformat(), "machine": machine(), "load_before": load, "rounds": arguments.rounds,
        "command": "bench/busy_machine.py" + (" --before BEFORE" if arguments.before else ""), "commands": COMMANDS,
        "version": version(arguments.binary), "unit": "tokens/s by number of busy processes; share: of the same round's speed alone",
        "targets": TARGETS, "results": rows}, indent=1) + "\n")
    print(f"{'tokens/s':12}{'':20}" + "".join(f"{'alone' if n == 0 else f'beside {n}':>20}" for n in arguments.loads))
    for row in rows:
        print(f"{row['test']:12}{row['arm']:20}" + "".join(
            f"{found['median']:12.1f}" + (f" ({row['share'][n]['median']:4.0%}) " if n in row.get("share", {}) else " " * 8)
            for n, found in row["tokens_per_second"].items()))
    failures = missed(rows, f"{cores} threads")
    for failure in failures:
        print(failure)
    sys.exit(4 if failures else 0)


if __name__ == "__main__":
    main()
