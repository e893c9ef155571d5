#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What 8, 6, 4 and 3 bits cost in perplexity on held-out text: rtn, gptq and gptaq, three calibration seeds, on trained models.

MODEL: the FloatLM of bench/books.py with its token DATA as calibration, scored on the beginning of the novels' validation text; beside it
stories260K, with texts that it wrote itself. Writes bench/results/quantize.json. Usage: bench/quantize.py [--binary B] [--bytes N] MODEL DATA
"""
import argparse
import datetime
import itertools
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from activations import TEXTS, beginning, call
from books import ROOT, machine

SEEDS = (1, 2, 3)
SAMPLES = 256
# Beside the plain methods, at 4 and 3 bits.
VARIANTS = {"gptq --act-order": ["--act-order"], "gptq --mse": ["--mse"], "gptq --group-size -1": ["--group-size", -1],
            "gptq --precision fp32": ["--precision", "fp32"], "gptaq --act-order --mse": ["--method", "gptaq", "--act-order", "--mse"]}


def told(binary, model, file, seeds):
    """Texts that the model writes itself."""
    file.write_text("\n\n\n".join(call(binary, "generate", model, "--prompt", "Once upon a time", "--max-tokens", 400, "--temperature", 1,
                                       "--seed", seed, "--threads", 1)["text"] for seed in seeds))
    return file


def measure(binary, model, calibration, text, temporary):
    def perplexity(directory):
        return call(binary, "perplexity", directory, "--text", text)["perplexity"]

    before = call(binary, "perplexity", model, "--text", text)
    result = {"float_perplexity": before["perplexity"], "tokens": before["tokens"], "window": before["window"], "samples": SAMPLES, "rows": []}
    cases = [(bits, method, ["--method", method]) for bits, method in itertools.product((8, 6, 4, 3), ("rtn", "gptq", "gptaq"))]
    cases += [(bits, name, options) for bits in (4, 3) for name, options in VARIANTS.items()]
    for bits, name, options in cases:
        values, errors, reports = [], [], []
        for seed in SEEDS[:1] if name == "rtn" else SEEDS:
            with tempfile.TemporaryDirectory(dir=temporary) as folder:
                out = pathlib.Path(folder) / "out"
                report = call(binary, "quantize", model, "--bits", bits, *options, "--calibration", calibration, "--samples", SAMPLES, "--seed",
                              seed, "--unpacked", "--no-verify", "--out", out)
                values.append(perplexity(out))
                errors.append(statistics.mean(linear["output_error"] for linear in report["linears"]))
                reports.append(report)
        change = [100 * (value / before["perplexity"] - 1) for value in values]
        row = {"bits": bits, "method": name, "group_size": reports[0]["group_size"], "backend": reports[0]["backend"],
               "perplexity": [round(v, 4) for v in values], "change_percent": round(statistics.mean(change), 3),
               "change_spread": round(max(change) - min(change), 3), "mean_output_error": round(statistics.mean(errors), 5),
               "seconds": round(statistics.mean(r["seconds"] for r in reports), 2)}
        result["sequence"] = reports[0]["sequence"]
        result["rows"].append(row)
        print(row, file=sys.stderr, flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    parser.add_argument("--bytes", type=int, default=400_000)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    a = parser.parse_args()
    source = ROOT / "../shared/data"
    result = {"date": datetime.date.today().isoformat(), "machine": machine(),
              "command": f"bench/quantize.py --bytes {a.bytes} MODEL DATA (the FloatLM and the data of bench/books.py)", "models": {}}
    with tempfile.TemporaryDirectory() as folder:
        temporary = pathlib.Path(folder)
        novels = temporary / "novels.txt"
        novels.write_bytes(beginning(source / "text" / TEXTS["novels-valid"], a.bytes))
        stories = temporary / "stories260k"
        call(a.binary, "convert", source / "model/stories260k/stories260K.bin", stories, "--tokenizer", source / "model/stories260k/tok512.bin")
        fitted, scored = told(a.binary, stories, temporary / "fitted.txt", range(400)), told(a.binary, stories, temporary / "scored.txt", range(1000, 1080))
        for name, model, calibration, text in (("stories260k", stories, fitted, scored), ("books-10m", a.model, a.data, novels)):
            result["models"][name] = measure(a.binary, model, calibration, text, temporary)
            (ROOT / "bench/results/quantize.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
