# SPDX-License-Identifier: Apache-2.0
"""A suite's directory with made-up numbers and small random models, as `spectra suite` leaves it: for tests of the report."""
import json
import math
import random

from harness import spectra

FAMILIES = {"float": 16, "ternary": 1.58, "binary": 1}
QUANTIZED = {8: (8, 0.0005), 6: (6, 0.004), 4: (4.25, 0.05), 3: (3.25, 0.3)}
STEPS, STEP_TOKENS = 400, 10_000
TASKS = {"arc_easy": "acc_norm", "piqa": "acc_norm", "sciq": "acc", "toxigen": "acc"}


def final_loss(family, parameters, seed):
    gap = {"float": 0.0, "ternary": 0.1, "binary": 0.16}[family]
    return 1.4 + gap + 9 * parameters**-0.14 + random.Random(f"{family}{parameters}{seed}").gauss(0, 0.004)


def write_run(run, family, final, layers, steps=STEPS, checkpoint=None):
    """log.jsonl, layers.jsonl and a last checkpoint (a link to `checkpoint`)."""
    (run / "checkpoints").mkdir(parents=True)
    chance = random.Random(str(run))
    log, statistics = [], []
    for step in range(1, steps + 1):
        share = step / steps
        loss = final + 4 * math.exp(-9 * share) + chance.gauss(0, 0.03)
        line = {"step": step, "tokens": step * STEP_TOKENS, "loss": loss, "lr": 0.002 * (1 - share) * (0.6 if share > 0.5 else 1),
                "weight_decay": 0.0 if share > 2 / 3 and family != "float" else 0.1, "grad_norm": 1 + chance.random(), "tokens_per_second": 9000}
        if step % 50 == 0:
            line["validation_loss"] = loss + 0.02
        if family == "ternary":
            line.update(zero_fraction=0.31 + 0.02 * share, flip_fraction=0.03 * math.exp(-4 * share))
        log.append(json.dumps(line))
        if family != "float" and step % 50 == 0:
            matrices = [{"name": f"layers.{layer}.self_attn.q_proj", "scales": [0.1 + 0.02 * layer + 0.05 * share], "zero_fraction": 0.32,
                         "flip_fraction": 0.02, "near_fraction": 0.08, "distance": 0.4} for layer in range(layers)]
            statistics.append(json.dumps({"step": step, "layers": matrices}))
    (run / "log.jsonl").write_text("\n".join(log) + "\n")
    (run / "layers.jsonl").write_text("\n".join(statistics) + "\n")
    (run / "checkpoints" / f"step-{steps:08}").symlink_to(checkpoint.resolve())


class Suite:
    """Models are added one by one; write() makes results.json."""

    def __init__(self, directory, title="A made-up <suite>"):
        self.directory, self.jobs, self.models, self.title = directory, [], [], title
        (directory / "runs").mkdir(parents=True)
        self.weights = {}

    def checkpoint(self, family):
        """One random model a family serves all sizes: the report reads weights, their values do not matter."""
        if family not in self.weights:
            self.weights[family] = self.directory / f"weights-{family}"
            spectra("init", "--family", family, "--hidden", 64, "--glu", 160, "--heads", 2, "--layers", 3, "--vocab", 256, "--out", self.weights[family])
        return self.weights[family]

    def scores(self, loss):
        return {task: {metric: max(0.26, 0.95 - loss / 5), f"{metric}_stderr": 0.01, "n": 500} for task, metric in TASKS.items()}

    def add(self, family, size, seed=1, arm="", bits=0, steps=STEPS):
        parameters = float(size[:-1]) * {"M": 1e6, "B": 1e9}[size[-1]]
        linear = 0.6 * parameters
        loss = final_loss(family, parameters, seed) + (0.02 * len(arm) / 10 if arm else 0)
        name = f"{family}-{size}-seed{seed}" + (f"-{arm}" if arm else "")
        weight_bits, parent = FAMILIES[family], None
        if bits:
            weight_bits, added = QUANTIZED[bits]
            name, parent, loss = f"quant{bits}-{size}-seed{seed}", name, loss + added
        else:
            write_run(self.directory / "runs" / name, family, loss, 3, steps, self.checkpoint(family))
        self.models.append({
            "name": name, "family": family, "quantized_bits": bits, "size": size, "arm": arm, "seed": seed, "shards": 1, "parameters": parameters,
            "linear_parameters": linear, "bits_per_weight": weight_bits, "size_bits": 16 * (parameters - linear) + weight_bits * linear,
            "disk_bytes": int(2 * parameters), "tokens": steps * STEP_TOKENS, "model": self.checkpoint(family).name,
            "run": None if bits else f"runs/{name}", "parent": parent, "training_loss": loss - 0.01, "validation_loss": loss, "validation_tokens": 50_000,
            "tasks": self.scores(loss), "texts": {text: {"nll": loss * by, "perplexity": math.exp(loss * by), "tokens": 9000} for text, by in (("ptb", 1.1), ("wikitext", 1.2))}})
        self.jobs.append({"name": name, "kind": "quantize" if bits else "train", "state": "done", "seconds": 12.5, "flops": 6 * parameters * steps * STEP_TOKENS,
                          "command": f"spectra train recipes/{name}.toml --out runs/{name}"})

    def write(self, finished=True):
        document = {"schema": "spectra.suite/1", "name": "made-up", "title": self.title, "suite_sha256": "ab" * 32, "version": "0.1.0", "machine": "a CPU & more, 2 cores",
                    "started": "2026-11-22T21:00:00Z", "seconds": 1234.5, "finished": finished, "command": "spectra suite made-up.toml --out suite",
                    "data": [{"path": "data/stories", "vocab": 256, "train_tokens": 4_000_000, "valid_tokens": 50_000, "sha256": "cd" * 32}],
                    "jobs": self.jobs + ([] if finished else [{"name": "train-more", "kind": "train", "state": "waiting", "seconds": None, "flops": None, "command": ""}]),
                    "models": self.models}
        temporary = self.directory / "results.json.tmp"
        temporary.write_text(json.dumps(document))
        temporary.rename(self.directory / "results.json")
        return document
