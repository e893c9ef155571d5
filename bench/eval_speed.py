#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast `spectra eval` answers: documents and tokens per second, beside the prefill rate of `spectra bench` and beside the same
requests scored alone (--alone). The three take turns, --rounds times, on one thread; processor time counts, so that other work on the machine disturbs less.

Rows of activations not asked for stay in the file. Start-up is the least of --rounds times from the start of the command to the first request. Writes bench/results/eval-speed.json.
Usage: bench/eval_speed.py [--binary B] [--rounds N] [--activations fp32,int8] MODEL
"""
import argparse
import datetime
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

from books import ROOT, machine

TASKS = {"arc_easy": 0, "hellaswag": 1000}  # documents; 0 = all 2,376, which are 9,501 requests


def call(*arguments):
    """The JSON and the processor time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([str(a) for a in (*arguments, "--json", "--quiet")], check=True, stdout=subprocess.PIPE).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return json.loads(out), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(binary, model, data, task, activations, rounds):
    def evaluate(limit, *more):
        return call(binary, "eval", model, "--tasks", task, "--data", data, "--limit", limit, "--activations", activations, "--threads", 1, *more)

    rows = {"together": [], "alone": [], "prefill": []}
    for _ in range(rounds):
        start = evaluate(1)[1]  # what a run takes before and after its documents
        for name, more in (("together", ()), ("alone", ("--alone",))):
            result, seconds = evaluate(TASKS[task], *more)
            rows[name].append((seconds - start, result["speed"][task]))
            documents = result["tasks"][task]["n"]
        # The same number of tokens for the processor to chew, in long prompts.
        short, long = (call(binary, "bench", model, "--activations", activations, "--generate", 0, "--prompt", 512, "--threads", 1, "--runs",
                            runs, "--no-limits")[1] for runs in (1, 7))
        rows["prefill"].append(6 * 512 / (long - short))
    speed = rows["together"][0][1]
    together, alone = (statistics.median(seconds for seconds, _ in rows[name]) for name in ("together", "alone"))
    prefill = statistics.median(rows["prefill"])
    tokens = speed["computed_tokens"] / together
    return {"task": task, "documents": documents, "activations": activations, "threads": 1,
            "documents_per_second": round(documents / together, 2), "tokens_per_second": round(tokens, 1),
            "request_tokens": speed["request_tokens"], "computed_tokens": speed["computed_tokens"],
            "prefill_tokens_per_second": round(prefill, 1), "share_of_prefill": round(tokens / prefill, 3),
            "factor_over_alone": round(alone / together, 2),
            "seconds": {name: [round(s, 2) for s, _ in rows[name]] for name in ("together", "alone")}}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--activations", default="fp32,int8")
    parser.add_argument("model")
    arguments = parser.parse_args()
    binary = arguments.binary.resolve()
    data = pathlib.Path(os.environ.get("SPECTRA_TEST_DATA", ROOT / "../shared/data")) / "eval"
    path = ROOT / "bench/results/eval-speed.json"
    kept = json.loads(path.read_text())["results"] if path.exists() else []
    results = [row for row in kept if row["activations"] not in arguments.activations.split(",")]
    starts = []
    for _ in range(5 * arguments.rounds):
        starts.append(call(binary, "eval", arguments.model, "--tasks", "arc_easy", "--data", data, "--limit", 1)[0]["start_seconds"])
        time.sleep(0.2)
    print("first request after", sorted(starts), file=sys.stderr, flush=True)
    for activations in filter(None, arguments.activations.split(",")):
        for task in TASKS:
            results.append(measure(binary, arguments.model, data, task, activations, arguments.rounds))
            print(results[-1], file=sys.stderr, flush=True)
    result = {"date": datetime.date.today().isoformat(), "machine": machine(), "command": " ".join(["bench/eval_speed.py", *sys.argv[1:-1]]), "model": pathlib.Path(arguments.model).name,
              "seconds_to_first_request": {"least": round(min(starts), 3), "median": round(statistics.median(starts), 3)}, "results": results}
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
