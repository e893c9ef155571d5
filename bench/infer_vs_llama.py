#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prefill and decode of ternary models in Spectra's shapes beside llama.cpp (npm node-llama-cpp, TQ2_0 with fp16 head, written by
`spectra convert`), turn by turn, with the machine's limits measured in the same turns.

Makes random models under --models where they are missing (SIZE-2bit, SIZE-1.6bit, SIZE.gguf). Each round runs every program once. Writes
bench/results/inference.json. Wants a machine with nothing else to do.
Usage: bench/infer_vs_llama.py --tokenizer FILE [--sizes 99M,560M,1.1B,3.9B] [--rounds 5] [--models DIR] [--modules DIR] [--out FILE]
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROMPT, GENERATE = 512, 128
EIGHT_TOKENS = "The cat sat on the mat and then"


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def run(command):
    """What the command printed, its seconds, and its peak resident memory as the kernel counted it."""
    print("$", " ".join(map(str, command)), file=sys.stderr, flush=True)
    begin = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return output, time.monotonic() - begin, usage.ru_maxrss * 1024


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}


def make_models(a, size):
    for name in ("2bit", "1.6bit"):
        if not (a.models / f"{size}-{name}").exists():
            run([a.binary, "init", "--size", size, "--packed", name, "--tokenizer", a.tokenizer, "--out", a.models / f"{size}-{name}"])
    if not (a.models / f"{size}.gguf").exists():
        # With one scale a matrix TQ2_0 holds all of them; the 1.1B's o_proj with two would be written as F16, and llama.cpp be slower.
        vocab = json.loads((a.models / f"{size}-2bit" / "config.json").read_text())["vocab_size"]
        run([a.binary, "init", "--size", size, "--shards", 1, "--vocab", vocab, "--packed", "2bit", "--tokenizer", a.tokenizer,
             "--out", a.models / f"{size}-one-shard"])
        run([a.binary, "convert", a.models / f"{size}-one-shard", a.models / f"{size}.gguf", "--to", "gguf", "--type", "tq2_0"])
        shutil.rmtree(a.models / f"{size}-one-shard")


def read_afresh(*models):
    """Empties the page cache (where allowed) and reads the models into it. A file just written lies in pages of 4 KB, one read from
    disk in large ones, and mapped weights are then up to 15 % faster: all programs shall have the same, and the same each time."""
    os.sync()
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        print("cannot empty the page cache: files just written will be slower", file=sys.stderr)
    for model in models:
        for path in sorted(model.iterdir()) if model.is_dir() else [model]:
            with open(path, "rb") as file:
                while file.read(1 << 22):
                    pass


class Rates:
    """Values of each measurement over the rounds."""

    def __init__(self):
        self.values = {}

    def add(self, name, value):
        self.values.setdefault(name, []).append(value)

    def ours(self, a, model, label, threads, *options):
        output, _, _ = run([a.binary, "bench", model, "--runs", 1, "--threads", threads, "--json", *options])
        document = json.loads(output)
        for result in document["results"]:
            kind = result["test"].split()[0]
            name = f"{label}, {kind}, {threads} threads"
            self.add(name, result["tokens_per_second"]["median"])
            key = "bandwidth_fraction" if kind == "decode" else "peak_fraction"
            self.add(f"{name}: {key}", result[key])
            self.add(f"{threads} threads: GB/s read", result["bandwidth_gbytes_per_second"])
            self.add(f"{label}: bench peak RSS", result["peak_rss_bytes"])

    def llama(self, a, gguf, threads, prompt, generate, kinds):
        output, _, _ = run(["node", "bench/peers/llama_speed.mjs", gguf, "--threads", threads, "--prompt", prompt, "--generate", generate,
                               "--repeats", 1, "--modules", a.modules])
        document = json.loads(output)
        for kind in kinds:
            self.add(f"llama.cpp TQ2_0, {kind}, {threads} threads", document[f"{kind}_tokens_per_second"]["median"])
        self.add("llama.cpp TQ2_0: peak RSS", document["peak_rss_bytes"])


def measure(a, size):
    make_models(a, size)
    two, one_six, gguf = a.models / f"{size}-2bit", a.models / f"{size}-1.6bit", a.models / f"{size}.gguf"
    read_afresh(two, one_six, gguf)
    rates = Rates()
    for _ in range(a.rounds):
        rates.ours(a, two, "2 bits", 2, "--prompt", PROMPT, "--generate", GENERATE)
        rates.llama(a, gguf, 2, PROMPT, 8, ["prefill"])
        rates.ours(a, one_six, "1.6 bits", 2, "--prompt", 0, "--generate", GENERATE)
        rates.llama(a, gguf, 2, 8, GENERATE, ["decode"])
        rates.ours(a, two, "2 bits", 1, "--prompt", 0, "--generate", GENERATE)
        rates.ours(a, two, "2 bits, bf16 activations", 2, "--prompt", PROMPT, "--generate", 0, "--activations", "bf16")
        _, seconds, peak = run([a.binary, "generate", two, "--prompt", EIGHT_TOKENS, "--max-tokens", 1, "--threads", 2])
        rates.add("2 bits: process start to first token, seconds", seconds)
        rates.add("2 bits: generate peak RSS", peak)
    result = {name: spread(values) for name, values in rates.values.items()}
    result["files"] = {"2 bits": sum(p.stat().st_size for p in two.iterdir()), "1.6 bits": sum(p.stat().st_size for p in one_six.iterdir()),
                       "TQ2_0": gguf.stat().st_size}
    for kind in ("prefill", "decode"):
        pairs = zip(rates.values[f"2 bits, {kind}, 2 threads"], rates.values[f"llama.cpp TQ2_0, {kind}, 2 threads"])
        result[f"ratio to llama.cpp, {kind}"] = spread([mine / theirs for mine, theirs in pairs])
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "build/bench-models")
    parser.add_argument("--modules", type=pathlib.Path, default=ROOT / "build/oracles/node_modules")
    parser.add_argument("--sizes", default="99M,560M,1.1B,3.9B")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/inference.json")
    a = parser.parse_args()
    a.tokenizer, a.models, a.modules, a.out = (path.resolve() for path in (a.tokenizer, a.models, a.modules, a.out))
    a.models.mkdir(parents=True, exist_ok=True)
    document = json.loads(a.out.read_text())["sizes"] if a.out.exists() else {}
    for size in a.sizes.split(","):
        document[size] = measure(a, size)
        revision = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        document[size]["revision"] = revision
        document[size]["date"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        a.out.write_text(json.dumps({"machine": f"{cpu_name()}, {os.cpu_count()} cores", "command": " ".join(sys.argv),
                                     "prompt": PROMPT, "generate": GENERATE, "sizes": document}, indent=1) + "\n")


if __name__ == "__main__":
    main()
