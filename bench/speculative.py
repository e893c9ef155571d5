#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a draft model gains: greedy text of MODEL with and without DRAFT, in turns, for several numbers of proposed tokens.

The text must be the same, token by token. Both are used as they are: pack a low-bit model first. Writes bench/results/speculative.json. Usage:
bench/speculative.py [--binary B] [--runs N] [--threads N] [--max-tokens N] MODEL DRAFT
"""
import argparse
import datetime
import json
import pathlib
import statistics
import subprocess
import sys

from books import ROOT, machine

PROMPTS = ["It was a cold morning, and the old man", "The cell membrane is", "She looked at him and said"]
PROPOSED = [2, 4, 8]


def call(binary, *arguments):
    return json.loads(subprocess.run([str(a) for a in (binary, *arguments, "--json", "--quiet")], check=True, stdout=subprocess.PIPE).stdout)


def spread(values):
    return {"median": round(statistics.median(values), 1), "min": round(min(values), 1), "max": round(max(values), 1)}


def describe(binary, model):
    about = call(binary, "inspect", model)
    return {"family": about["family"], "parameters": about["parameters"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("draft", type=pathlib.Path)
    a = parser.parse_args()
    binary = a.binary.resolve()
    arms = {0: [], **{k: ["--draft", a.draft, "--draft-tokens", k] for k in PROPOSED}}
    speeds, counts, tokens = {k: [] for k in arms}, {k: [0, 0] for k in PROPOSED}, 0
    for run in range(a.runs):
        for prompt in PROMPTS:
            expected = None
            for k, options in arms.items():
                r = call(binary, "generate", a.model, "--prompt", prompt, "--max-tokens", a.max_tokens, "--threads", a.threads, *options)
                expected = expected or r["ids"]
                assert r["ids"] == expected, f"{k} proposed tokens change the text after {prompt!r}"
                speeds[k].append(r["decode_tokens_per_second"])
                if k and run == 0:
                    counts[k][0] += r["draft"]["proposed"]
                    counts[k][1] += r["draft"]["accepted"]
            tokens += len(expected) if run == 0 else 0
    plain = statistics.median(speeds[0])
    result = {"date": datetime.date.today().isoformat(), "machine": machine(), "command": "bench/speculative.py", "runs": a.runs,
              "threads": a.threads, "model": describe(binary, a.model), "draft": describe(binary, a.draft), "tokens_of_each_run": tokens,
              "same_text": True, "tokens_per_second_alone": spread(speeds[0]),
              "with_draft": [{"proposed_at_once": k, "tokens_per_second": spread(speeds[k]),
                              "speedup": round(statistics.median(speeds[k]) / plain, 3),
                              "acceptance_rate": round(counts[k][1] / counts[k][0], 3)} for k in PROPOSED]}
    print(json.dumps(result, indent=1), file=sys.stderr)
    (ROOT / "bench/results/speculative.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
