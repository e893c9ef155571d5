#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole training step of a TriLM: `spectra bench --train` beside PyTorch (bench/peers/torch_train.py), both in bf16, turn by turn.

Each round runs both programs once per model; a round's rate is the median of its steps. Writes bench/results/train-vs-torch.json. Wants a
machine with nothing else to do. Usage: bench/train_vs_torch.py [--binary build/release/spectra] [--rounds 5] [--steps 10] [--threads 2]
[--out FILE]
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = {"10M": {"hidden": 256, "glu": 640, "heads": 4, "layers": 8, "vocab": 4096, "batch": 16, "sequence": 256},
          "99M": {"hidden": 512, "glu": 1280, "heads": 8, "layers": 16, "vocab": 50304, "batch": 4, "sequence": 512}}
PYTHON = "/usr/bin/python3"  # Debian's python3-torch


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def run(command):
    """The JSON object that the command prints, and its peak resident memory as the kernel counted it."""
    print("$", " ".join(command), file=sys.stderr, flush=True)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return json.loads(output), usage.ru_maxrss * 1024


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def commands(arguments, dimensions):
    common = [part for name, value in dimensions.items() for part in (f"--{name}", str(value))]
    common += ["--steps", str(arguments.steps), "--warmup", "3", "--threads", str(arguments.threads), "--precision", "bf16"]
    return {"spectra": [str(arguments.binary), "bench", "--train", "--family", "ternary", "--json", *common],
            "torch": [PYTHON, "bench/peers/torch_train.py", *common]}


def compare(arguments, dimensions):
    programs = commands(arguments, dimensions)
    rates, memory, last = {name: [] for name in programs}, {name: [] for name in programs}, {}
    for _ in range(arguments.rounds):
        for name, command in programs.items():
            last[name], peak = run(command)
            measured = last[name]["tokens_per_second"]
            rates[name].append(statistics.median(measured) if isinstance(measured, list) else measured["median"])
            memory[name].append(peak)
    result = {name: {"command": " ".join(os.path.relpath(part, ROOT) if part.startswith(str(ROOT)) else part for part in command),
                     "tokens_per_second": spread(rates[name]), "peak_rss_bytes": spread(memory[name])} for name, command in programs.items()}
    for key in ("backend", "flops_per_token", "peak_gflops_per_second", "mfu", "parts"):
        result["spectra"][key] = last["spectra"][key]
    result["torch"]["version"] = last["torch"]["torch"]
    return {"dimensions": dimensions, **result,
            "speed_ratio": spread([ours / theirs for ours, theirs in zip(rates["spectra"], rates["torch"])]),
            "memory_ratio": statistics.median(memory["torch"]) / statistics.median(memory["spectra"])}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/train-vs-torch.json")
    arguments = parser.parse_args()
    arguments.binary = arguments.binary.resolve()
    report = {"machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "threads": arguments.threads, "system": platform.platform()},
              "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"), "rounds": arguments.rounds, "steps": arguments.steps,
              "models": {name: compare(arguments, MODELS[name]) for name in arguments.models}}
    arguments.out.write_text(json.dumps(report, indent=2) + "\n")
    for name, model in report["models"].items():
        ours, theirs = (model[program]["tokens_per_second"]["median"] for program in ("spectra", "torch"))
        print(f"{name}: {ours:.0f} tokens/s, torch {theirs:.0f}: {model['speed_ratio']['median']:.2f} x; torch takes "
              f"{model['memory_ratio']:.2f} x the memory")


if __name__ == "__main__":
    main()
