#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""FloatLM, TriLM and BiLM of the 10M class on real text: a learning-rate sweep, then the three runs of recipes/books-10m-*.toml.

Resumable: finished runs are kept in OUT, an interrupted one continues from its last checkpoint. Writes bench/results/books-10m.json
(final validation losses, curves, sweep). Usage: bench/books.py [--binary build/release/spectra] [--out build/books] [--sweep-tokens N]
"""
import argparse
import datetime
import json
import pathlib
import platform
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXT = ROOT / "../shared/data/text"
# Peaks of the paper's smallest size (99M): the sweep multiplies them until the best is not at an edge.
PAPER_LR = {"float": (4.0e-4, None), "tri": (2.4e-3, 1.5e-3), "bi": (2.4e-3, 1.5e-3)}
FIRST_MULTIPLES = [1, 2, 4]


def run(command, **kwargs):
    print("$", " ".join(map(str, command)), file=sys.stderr, flush=True)
    return subprocess.run([str(part) for part in command], check=True, **kwargs)


def prepare(binary, data):
    if data.exists():
        return
    run([binary, "prepare", TEXT / "novels-train.txt.zst", TEXT / "textbooks-train.txt.zst", "--train-tokenizer", "8192", "--valid",
         TEXT / "novels-valid.txt.zst", "--valid", TEXT / "textbooks-valid.txt.zst", "--out", data])


def train(binary, family, data, out, settings):
    """Trains, or continues, or reads the result of a finished run. Returns the log's lines."""
    done = out / "done.json"
    if not done.exists():
        command = [binary, "train", ROOT / f"recipes/books-10m-{family}.toml", "--out", out, "--json", "--set", f"data.path={data}"]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        if (out / "recipe.toml").exists():
            command.append("--resume")
        result = run(command, stdout=subprocess.PIPE)
        done.write_bytes(result.stdout)
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()], json.loads(done.read_text())


def final_loss(log):
    return [line["validation_loss"] for line in log if line.get("validation_loss") is not None][-1]


def sweep(binary, family, data, out, tokens):
    """Final validation loss of short runs by multiple of the paper's rate, extended while the best one is the largest."""
    peak, second = PAPER_LR[family]
    losses, multiples = {}, list(FIRST_MULTIPLES)
    while multiples:
        multiple = multiples.pop(0)
        settings = {"train.tokens": tokens, "schedule.lr": peak * multiple, "checkpoint.every": 1000, "validation.every": 1000}
        if second:
            settings["schedule.lr_second"] = second * multiple
        log, _ = train(binary, family, data, out / f"sweep-{family}-x{multiple}", settings)
        losses[multiple] = final_loss(log)
        if not multiples and min(losses, key=losses.get) == max(losses) and max(losses) < 32:
            multiples.append(max(losses) * 2)
    return losses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=ROOT / "build/release/spectra")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/books")
    parser.add_argument("--sweep-tokens", type=int, default=800_000)
    arguments = parser.parse_args()
    data = arguments.out / "data"
    arguments.out.mkdir(parents=True, exist_ok=True)
    prepare(arguments.binary, data)
    result = {"date": datetime.date.today().isoformat(), "machine": machine(), "command": "bench/books.py",
              "sweep_tokens": arguments.sweep_tokens, "families": {}}
    for family in PAPER_LR:
        result["families"][family] = {"sweep": sweep(arguments.binary, family, data, arguments.out, arguments.sweep_tokens)}
    for family, (peak, second) in PAPER_LR.items():
        losses = result["families"][family]["sweep"]
        best = min(losses, key=losses.get)
        settings = {"schedule.lr": peak * best}
        if second:
            settings["schedule.lr_second"] = second * best
        log, done = train(arguments.binary, family, data, arguments.out / family, settings)
        validation = [(line["tokens"], line["validation_loss"]) for line in log if line.get("validation_loss") is not None]
        result["families"][family].update({"lr": settings, "validation_loss": final_loss(log), "curve": validation,
                                           "tokens_per_second": done["tokens_per_second"], "peak_rss_bytes": done["peak_rss_bytes"]})
        (ROOT / "bench/results").mkdir(exist_ok=True)
        (ROOT / "bench/results/books-10m.json").write_text(json.dumps(result, indent=1) + "\n")
    losses = {family: result["families"][family]["validation_loss"] for family in PAPER_LR}
    result["gaps"] = {"tri - float": losses["tri"] - losses["float"], "bi - tri": losses["bi"] - losses["tri"]}
    (ROOT / "bench/results/books-10m.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({"validation_loss": losses, "gaps": result["gaps"]}, indent=1))


def machine():
    name = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    return f"{name}, {len(list(pathlib.Path('/sys/devices/system/cpu').glob('cpu[0-9]*')))} cores"


if __name__ == "__main__":
    main()
