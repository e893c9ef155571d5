#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scores of models on the tasks whose data is there, and how far log-likelihoods are from a plain forward pass, one request at a time.

Takes the first --limit documents of each task (of each subject of MMLU a fifth of them). Agreement is checked on 200 requests a task by
tests/tools/eval_reference.cc. Writes bench/results/eval-agreement.json. Usage: bench/eval_agreement.py [--binary B] [--limit N] MODEL...
"""
import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from books import ROOT, machine

TASKS = ["arc_easy", "piqa", "hellaswag", "lambada_openai", "crows_pairs_english", "triviaqa", "mmlu_continuation", "lambada_text"]
ALLOWED = 1e-4  # times the square root of the scored tokens


def measure(binary, model, data, limit, temporary):
    scores, errors, speed = {}, {}, {}
    context = json.loads((pathlib.Path(model) / "config.json").read_text())["max_position_embeddings"]
    for task in TASKS:
        if task == "triviaqa" and context <= 256:  # no room for a question before an answer of up to 256 tokens
            continue
        dump = temporary / f"{task}.jsonl"
        dump.unlink(missing_ok=True)
        count = max(1, limit // 5) if task.startswith("mmlu") else limit
        out = subprocess.run([binary, "eval", model, "--tasks", task, "--data", data, "--limit", str(count), "--dump-scores", dump, "--json",
                              "--quiet"], check=True, stdout=subprocess.PIPE).stdout
        result = json.loads(out)
        scores.update({name: s for name, s in result["tasks"].items() if name.count("_") < 2 or not name.startswith("mmlu_continuation_")
                       or name.split("_", 2)[2] in ("stem", "humanities", "social_sciences", "other")})
        lines = subprocess.run([binary.parent / "tests/eval_reference", model, dump, "200"], check=True, stdout=subprocess.PIPE, text=True).stdout
        for line in lines.splitlines():
            agreement = json.loads(line)
            errors[agreement["task"]] = {"requests": agreement["requests"], "largest_error_per_sqrt_token": agreement["largest_error"]}
            assert agreement["largest_error"] <= ALLOWED, agreement
        speed.update(result["speed"])
        print(model, task, {k: v for k, v in result["tasks"][task].items()}, errors.get(task), file=sys.stderr, flush=True)
    return {"model": "/".join(pathlib.Path(model).parts[-3:]), "scores": scores, "agreement": errors, "speed": speed}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/dev/spectra")
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("models", nargs="+")
    arguments = parser.parse_args()
    data = pathlib.Path(os.environ.get("SPECTRA_TEST_DATA", ROOT / "../shared/data")) / "eval"
    with tempfile.TemporaryDirectory() as temporary:
        models = [measure(arguments.binary.resolve(), m, data, arguments.limit, pathlib.Path(temporary)) for m in arguments.models]
    result = {"date": datetime.date.today().isoformat(), "machine": machine(), "command": " ".join(["bench/eval_agreement.py", *sys.argv[1:]]), "limit": arguments.limit,
              "allowed_error_per_sqrt_token": ALLOWED, "models": models}
    (ROOT / "bench/results/eval-agreement.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
