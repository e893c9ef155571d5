#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small models on real text: do the paper's orders hold at 1-3M parameters?

  families   FloatLM, TriLM, BiLM at three sizes, three seeds each: signs of BiLM - TriLM and TriLM - FloatLM
  schedule   the four arms of the paper's ablation (both interventions, only the LR drop, only the end of weight decay, none)
             at the middle size, three seeds each (paper: Fig. 6 and Tables 10, 11)

The peak rate of each family and size comes from a sweep with a seed of its own, whose best point is not at an edge. Seeds pair the arms: same
initial weights, same data order. Resumable: finished runs are kept in OUT, interrupted ones continue; a longer --tokens makes new runs beside the old.
Writes bench/results/ablation.json. Usage: bench/ablation.py [--binary B] [--out DIR] [--tokens N] [--jobs 2]
"""
import argparse
import concurrent.futures
import datetime
import json
import pathlib
import statistics
import subprocess
import sys

from books import ROOT, TEXT, final_loss, machine

SIZES = {"0.8M": (96, 256, 3), "1.3M": (128, 320, 4), "2.5M": (192, 480, 6)}  # hidden, GLU, heads; 4 layers, vocabulary 2048
MIDDLE = "1.3M"
FAMILIES = {"float": "float", "tri": "ternary", "bi": "binary"}
PAPER_PEAK = {"float": 4.0e-4, "tri": 2.4e-3, "bi": 2.4e-3}  # of 99M; the second peak follows at the paper's ratio
ARMS = {"both": {}, "only decay end": {"schedule.lr_drop_at": 1}, "only LR drop": {"schedule.decay_off_at": 1},
        "none": {"schedule.lr_drop_at": 1, "schedule.decay_off_at": 1}}
PAPER_ORDER = list(ARMS)  # best to worst
SEEDS = [1, 2, 3]
SWEEP_SEED = 7


def prepare(binary, data):
    if not data.exists():
        subprocess.run([binary, "prepare", TEXT / "novels-train.txt.zst", TEXT / "textbooks-train.txt.zst", "--train-tokenizer", "2048",
                        "--valid", TEXT / "novels-valid.txt.zst", "--valid", TEXT / "textbooks-valid.txt.zst", "--out", data], check=True)


def settings(arguments, family, size, seed, multiple, arm="both"):
    hidden, glu, heads = SIZES[size]
    peak = PAPER_PEAK[family] * multiple
    values = {"model.family": FAMILIES[family], "model.hidden": hidden, "model.glu": glu, "model.heads": heads, "model.layers": 4,
              "data.path": arguments.out / "data", "train.tokens": arguments.tokens, "train.batch_tokens": 4096, "train.sequence": 256,
              "train.seed": seed, "schedule.lr": peak, "schedule.warmup": "5%", "validation.every": 100_000, "checkpoint.every": 500,
              "validation.tokens": 400_000}
    return values | (ARMS[arm] if family != "float" else {})


def train(arguments, name, values):
    """Trains, continues, or reads what is there: the validation loss at the end."""
    run = arguments.out / name
    done = run / "done.json"
    if not done.exists():
        arguments.out.joinpath("empty.toml").touch()
        command = [arguments.binary, "train", arguments.out / "empty.toml", "--out", run, "--json", "--quiet", "--threads", "1"]
        for key, value in values.items():
            command += ["--set", f"{key}={value}"]
        if (run / "recipe.toml").exists():
            command.append("--resume")
        result = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE)
        done.write_bytes(result.stdout)
    loss = final_loss([json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()])
    print(f"{name}: {loss:.4f}", file=sys.stderr, flush=True)
    return loss


def train_all(arguments, runs):
    """{key: (name, settings)} -> {key: loss}, several side by side, one thread each."""
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        futures = {key: pool.submit(train, arguments, *run) for key, run in runs.items()}
        return {key: future.result() for key, future in futures.items()}


def sweep(arguments):
    """{(family, size): {multiple of the paper's rate: loss}}, extended until the best has a worse one on each side."""
    keys = [(family, size) for family in FAMILIES for size in SIZES]
    losses = {key: {} for key in keys}
    wanted = {key: [2, 4, 8] if key[0] == "float" else [0.5, 1, 2] for key in keys}
    while any(wanted.values()):
        runs = {(key, m): (f"{arguments.tokens}-sweep-{key[0]}-{key[1]}-x{m}", settings(arguments, *key, SWEEP_SEED, m))
                for key in keys for m in wanted[key]}
        for (key, multiple), loss in train_all(arguments, runs).items():
            losses[key][multiple] = loss
        wanted = {key: next_multiples(found) for key, found in losses.items()}
    return losses


def next_multiples(found):
    best = min(found, key=found.get)
    return [best * 2] if best == max(found) else [best / 2] if best == min(found) else []


def named(arguments, name, seed, multiple, values):
    """A run's directory says all that its settings depend on."""
    return f"{arguments.tokens}-{name}-x{multiple}-{seed}", values


def readable(table):
    return {f"{family} {size}": value for (family, size), value in table.items()}


def spread(values):
    return {"values": values, "min": min(values), "median": statistics.median(values), "max": max(values)}


def gap(losses, a, b):
    """a - b, seed by seed."""
    return spread([x - y for x, y in zip(losses[a]["values"], losses[b]["values"])])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/ablation")
    parser.add_argument("--tokens", type=int, default=2_000_000)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    prepare(arguments.binary, arguments.out / "data")
    rates = sweep(arguments)
    best = {key: min(found, key=found.get) for key, found in rates.items()}
    runs = {("family", size, family, seed): named(arguments, f"{size}-{family}", seed, best[family, size], settings(arguments, family, size, seed, best[family, size]))
            for seed in SEEDS for size in SIZES for family in FAMILIES}
    rate = best["tri", MIDDLE]
    runs |= {("arm", arm, seed): named(arguments, f"arm-{arm.replace(' ', '-')}", seed, rate, settings(arguments, "tri", MIDDLE, seed, rate, arm))
             for seed in SEEDS for arm in ARMS if arm != "both"}
    losses = train_all(arguments, runs)
    families = {size: {family: spread([losses["family", size, family, seed] for seed in SEEDS]) for family in FAMILIES} for size in SIZES}
    arms = {"both": families[MIDDLE]["tri"]} | {arm: spread([losses["arm", arm, seed] for seed in SEEDS]) for arm in ARMS if arm != "both"}
    result = {
        "date": datetime.date.today().isoformat(), "machine": machine(), "command": "bench/ablation.py", "tokens": arguments.tokens,
        "unit": "nats a token on held-out novels and textbooks, at the end of the run",
        "peak_rate_multiples_of_the_paper's_99M": readable(best), "sweep": readable(rates), "families": families,
        "gaps": {size: {"tri - float": gap(found, "tri", "float"), "bi - tri": gap(found, "bi", "tri")} for size, found in families.items()},
        "arms": arms, "arms_minus_both": {arm: gap(arms, arm, "both") for arm in ARMS if arm != "both"},
        "order": sorted(ARMS, key=lambda arm: arms[arm]["median"]), "paper_order": PAPER_ORDER,
    }
    (ROOT / "bench/results/ablation.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in ("gaps", "arms_minus_both", "order", "paper_order")}, indent=1))


if __name__ == "__main__":
    main()
