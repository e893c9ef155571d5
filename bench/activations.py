#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What rounding costs: perplexity of trained models with rounded activations, head, and keys and values, beside fp32.

MODEL: unpacked directories; ternary and binary ones are packed first. Scores the beginning of held-out texts (rolling convention, windows of the
model's context). Writes bench/results/activations.json. Usage: bench/activations.py [--binary B] [--bytes N] MODEL...
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

TEXTS = {"novels-valid": "novels-valid.txt.zst", "wikitext2-test": "wikitext2-test.raw.gz"}
EXACT = ("fp32", "fp32", "stored")  # activations, kv, head
FLOAT_MODES = [EXACT, ("bf16", "fp32", "stored"), ("fp32", "fp16", "stored"), ("fp32", "int8", "stored"), ("fp32", "fp32", "int8")]
PACKED_MODES = FLOAT_MODES + [("int8", "fp32", "stored"), ("int8", "fp32", "int8"), ("int8", "fp16", "stored"), ("int8", "int8", "int8")]
FORMATS = {"ternary": "2bit", "binary": "1bit"}


def call(binary, *arguments):
    return json.loads(subprocess.run([str(a) for a in (binary, *arguments, "--json", "--quiet")], check=True, stdout=subprocess.PIPE).stdout)


def beginning(path, size):
    """The first `size` bytes of a compressed text, cut at the end of a line."""
    command = ["zstd", "-dcq", path] if path.suffix == ".zst" else ["gzip", "-dc", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        text = process.stdout.read(size)
        process.kill()
    return text[:text.rfind(b"\n") + 1]


def measure(binary, model, texts, temporary):
    about = call(binary, "inspect", model)
    family = about["family"]
    if family in FORMATS:
        packed = temporary / f"packed-{len(list(temporary.iterdir()))}"
        call(binary, "pack", model, "--format", FORMATS[family], "--out", packed)
        model = packed
    result = {"family": family, "parameters": about["parameters"], "format": FORMATS.get(family, "unpacked"), "texts": {}}
    for name, text in texts.items():
        rows = []
        for activations, kv, head in PACKED_MODES if family in FORMATS else FLOAT_MODES:
            r = call(binary, "perplexity", model, "--text", text, "--activations", activations, "--kv", kv, "--head", head)
            change = r["perplexity"] / rows[0]["perplexity"] - 1 if rows else 0
            rows.append({"activations": activations, "kv": kv, "head": r["head"], "perplexity": round(r["perplexity"], 5),
                         "change_percent": round(100 * change, 4)})
            print(family, name, rows[-1], file=sys.stderr, flush=True)
        result["texts"][name] = {"tokens": r["tokens"], "window": r["window"], "modes": rows}
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    parser.add_argument("--bytes", type=int, default=200_000)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    data = pathlib.Path(os.environ.get("SPECTRA_TEST_DATA", ROOT / "../shared/data")) / "text"
    with tempfile.TemporaryDirectory() as name:
        temporary = pathlib.Path(name)
        texts = {}
        for text, file in TEXTS.items():
            texts[text] = temporary / f"{text}.txt"
            texts[text].write_bytes(beginning(data / file, arguments.bytes))
        models = [measure(arguments.binary.resolve(), model, texts, temporary) for model in arguments.models]
    result = {"date": datetime.date.today().isoformat(), "machine": machine(), "command": "bench/activations.py",
              "convention": "rolling", "bytes_of_each_text": arguments.bytes, "models": models}
    (ROOT / "bench/results/activations.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
