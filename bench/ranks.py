#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The 99M training step on 1 rank of 2 threads and on 2 ranks of 1 thread, alternated: tokens/s and their ratio.

Writes bench/results/ranks.json. Usage: bench/ranks.py [--binary B] [--rounds 5]   (data: the NeoX tokenizer over a novel)
"""
import argparse
import datetime
import gzip
import json
import pathlib
import statistics
import subprocess
import tempfile

from books import ROOT, TEXT, machine

BATCH, SEQUENCE, STEPS = 4, 512, 6


def train(binary, directory, ranks, threads):
    """Tokens a second of STEPS steps of B 4, T 512 (without validation and checkpoint)."""
    settings = {"data.path": directory / "data", "model.family": "ternary", "model.size": "99M", "train.tokens": STEPS * BATCH * SEQUENCE,
                "train.batch_tokens": BATCH * SEQUENCE, "train.sequence": SEQUENCE, "train.micro_batch": BATCH // ranks,
                "checkpoint.every": 1000}
    launch = ["mpirun", "--allow-run-as-root", "--bind-to", "none", "-n", ranks] if ranks > 1 else []
    with tempfile.TemporaryDirectory(dir=directory) as run:
        command = [*launch, binary, "train", directory / "empty.toml", "--out", pathlib.Path(run) / "run", "--json", "--quiet", "--threads", threads]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        result = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE)
        return json.loads(result.stdout)["tokens_per_second"]


def spread(values):
    return {"values": values, "min": min(values), "median": statistics.median(values), "max": max(values)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        (directory / "empty.toml").touch()
        (directory / "tokenizer.json").write_bytes(gzip.decompress((TEXT / "../tokenizer/20B_tokenizer.json.gz").read_bytes()))
        subprocess.run([arguments.binary, "prepare", TEXT / "novels-valid.txt.zst", "--tokenizer", directory / "tokenizer.json", "--out",
                        directory / "data", "--quiet"], check=True)
        one, two = [], []
        for _ in range(arguments.rounds):
            one.append(train(arguments.binary, directory, 1, 2))
            two.append(train(arguments.binary, directory, 2, 1))
    result = {"date": datetime.date.today().isoformat(), "machine": machine(), "command": "bench/ranks.py",
              "step": f"TriLM 99M, V 50304, T {SEQUENCE}, B {BATCH} in all, {STEPS} steps", "unit": "tokens/s",
              "1 rank x 2 threads": spread(one), "2 ranks x 1 thread": spread(two),
              "ratio": spread([b / a for a, b in zip(one, two)])}
    (ROOT / "bench/results/ranks.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
