#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do two builds of spectra compute the same, bit by bit? Every case runs one command with both: its JSON and every file it writes must be equal.

Both read the same inputs: what a case needs of an earlier one is what BEFORE wrote there. Prints a line a case; exit 4 where something differs.
Left out of the comparison: files and keys that state time, speed, memory or version (IGNORED_FILES, IGNORED_KEYS), and checksums of files that
are compared themselves. A key that only AFTER writes into a JSON object is told but is no difference.
Usage: bench/compare_builds.py [--only PART] [--threads 2] [--json FILE] [--keep DIR] BEFORE AFTER    (SPECTRA_TEST_DATA as for the tests)
"""
import argparse
import datetime
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

from books import ROOT, machine

DATA = pathlib.Path(os.environ.get("SPECTRA_TEST_DATA", ROOT / "../shared/data")).resolve()
STEPS = 50
IGNORED_FILES = re.compile(r"events\.out\.tfevents\..*")  # each event bears its time; their values are those of log.jsonl
IGNORED_KEYS = {"tokens_per_second", "prefill_tokens_per_second", "decode_tokens_per_second", "gflops_per_second", "peak_flops", "mfu", "seconds",
                "start_seconds", "speed", "parts", "memory_bytes", "peak_rss_bytes", "version", "sha256"}
# Threads that wait sleep, so that other work on the machine costs no more than its share; no result depends on it.
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
RECIPE = f"""
[model]
hidden = 128
glu = 384
heads = 4
layers = 3
shards = 2
[data]
path = "../before/data"
[train]
tokens = {STEPS * 512}
batch_tokens = 512
sequence = 128
micro_batch = 2
[schedule]
warmup = "10%"
[checkpoint]
every = {STEPS // 2}
[validation]
every = {STEPS // 2}
tokens = 4000
[log]
layers_every = 10
"""
FAMILIES = {"float": [], "ternary": ["2bit", "1.6bit"], "binary": ["1bit"]}
# Ten steps each of what the three long runs leave out.
VARIANTS = {"bf16": {"precision": "bf16"}, "fp16": {"precision": "fp16"}, "recomputed in groups": {"recompute": "full", "reduction_groups": 2},
            "reference": {"precision": "reference", "tokens": 4 * 256, "batch_tokens": 256, "sequence": 64}}
GREEDY = ["--prompt", "Once upon a time", "--max-tokens", 100]


def trained(family):
    return f"../before/train {family}/checkpoints/step-{STEPS:08d}"


def training_cases():
    for family in FAMILIES:
        yield f"train {family}", ["train", "../recipe.toml", "--set", f"model.family={family}", "--out", "OUT"]
    yield "resume ternary", ["train", "../recipe.toml", "--set", "model.family=ternary", "--out", "OUT", "--resume"]
    for name, values in VARIANTS.items():
        values = {"tokens": 10 * 512} | values
        settings = [part for key, value in values.items() for part in ("--set", f"train.{key}={value}")]
        yield f"train ternary {name}", ["train", "../recipe.toml", "--set", "model.family=ternary", *settings, "--out", "OUT"]
    yield "train with shared heads", ["train", "../recipe.toml", "--set", "model.family=ternary", "--set", "model.kv_heads=2", "--set", "model.tied=true",
                                      "--set", "data.mask_documents=true", "--set", f"train.tokens={10 * 512}", "--out", "OUT"]


def model_cases():
    """Packing, rounding, conversion, and what inspect and report say of the results."""
    dimensions = ["--hidden", 128, "--glu", 384, "--heads", 4, "--kv-heads", 2, "--layers", 3, "--context", 1024, "--tokenizer", "../before/data"]
    yield "init long context", ["init", *dimensions, "--packed", "2bit", "--out", "OUT"]
    yield "init long context float", ["init", *dimensions, "--family", "float", "--out", "OUT"]
    for family, formats in FAMILIES.items():
        for format in formats:
            yield f"pack {format}", ["pack", trained(family), "--format", format, "--out", "OUT"]
            yield f"unpack {format}", ["unpack", f"../before/pack {format}", "--out", "OUT"]
        yield f"inspect {family}", ["inspect", trained(family), "--verify"]
    quantize = ["quantize", trained("float"), "--calibration", "../before/data", "--samples", 24, "--sequence", 128, "--out", "OUT"]
    yield "quantize 4 bits", [*quantize, "--bits", 4]
    yield "quantize 3 bits, gptaq", [*quantize, "--bits", 3, "--method", "gptaq", "--act-order", "--mse"]
    yield "quantize 8 bits, rtn", ["quantize", trained("float"), "--bits", 8, "--method", "rtn", "--format", "gptq", "--out", "OUT"]
    yield "convert to gguf", ["convert", trained("ternary"), "OUT.gguf", "--to", "gguf", "--type", "f16"]
    yield "convert stories260K", ["convert", DATA / "model/stories260k/stories260K.bin", "OUT", "--tokenizer", DATA / "model/stories260k/tok512.bin"]
    yield "report", ["report", "../before/train float", "../before/train ternary", "../before/train binary", "--out", "OUT.html"]


def inference_cases():
    models = {"float": trained("float"), "2bit": "../before/pack 2bit", "1.6bit": "../before/pack 1.6bit", "1bit": "../before/pack 1bit",
              "4 bits": "../before/quantize 4 bits"}
    for name, model in models.items():
        for activations in ("fp32", "bf16", "int8") if name != "float" else ("fp32", "bf16"):
            yield f"generate {name} {activations}", ["generate", model, *GREEDY, "--activations", activations]
            yield f"perplexity {name} {activations}", ["perplexity", model, "--text", "../text.txt", "--activations", activations]
    yield "generate 2bit int8 keys and head", ["generate", models["2bit"], *GREEDY, "--kv", "int8", "--head", "int8"]
    yield "generate with a draft", ["generate", trained("ternary"), *GREEDY, "--draft", models["2bit"]]
    yield "sample", ["generate", models["2bit"], *GREEDY, "--temperature", 1, "--top-p", 0.9, "--seed", 7]
    yield "generate long context", ["generate", "../before/init long context", *GREEDY[:2], "--max-tokens", 600]
    yield "perplexity of validation", ["perplexity", models["2bit"], "--data", "../before/data", "--tokens", 4000]
    yield "generate stories260K", ["generate", "../before/convert stories260K", "--prompt", "Once upon a time", "--max-tokens", 250]
    for task in ("arc_easy", "lambada_openai"):
        for activations in ("fp32", "int8"):
            yield f"eval {task} {activations}", ["eval", "../before/init long context", "--tasks", task, "--data", DATA / "eval", "--limit", 100,
                                                 "--activations", activations, "--dump-scores", "OUT.jsonl"]
    yield "compare", ["compare", trained("ternary"), models["1bit"], "--text", "../text.txt", "--decode", 0]


def all_cases():
    cases = {"data": ["prepare", "--synthetic", "stories", "--stories", 2000, "--train-tokenizer", 512, "--out", "OUT"]}
    for part in (training_cases(), model_cases(), inference_cases()):
        cases.update(part)
    return cases


def needed(cases, name):
    """The case and those whose outputs it reads."""
    found = {name} | ({"data", "train ternary"} if name == "resume ternary" else {"data"} if cases[name][0] == "train" else set())
    for argument in cases[name]:
        if match := re.match(r"\.\./before/([^/]*)", str(argument)):
            found |= needed(cases, match[1])
    return found


def run(binary, folder, name, arguments, threads):
    """The exit code, stdout and stderr; what the command writes lies at folder/name."""
    if name == "resume ternary":  # of a run that BEFORE was stopped in
        shutil.copytree(folder.parent / "before/train ternary", folder / name)
        shutil.rmtree(folder / name / f"checkpoints/step-{STEPS:08d}")
    command = [binary, *(name + argument[3:] if str(argument).startswith("OUT") else argument for argument in arguments)]
    command += ["--json", "--quiet", "--threads", threads]
    return subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, env=ENVIRONMENT)


def without_ignored(value):
    if isinstance(value, dict):
        return {key: without_ignored(item) for key, item in value.items() if key not in IGNORED_KEYS}
    return [without_ignored(item) for item in value] if isinstance(value, list) else value


def differences_of_json(before, after, where, added):
    """Where two values differ; keys that only `after` has go into `added`."""
    if isinstance(before, dict) and isinstance(after, dict):
        added.update(key for key in after if key not in before)
        return [text for key in before for text in
                (differences_of_json(before[key], after[key], f"{where}.{key}", added) if key in after else [f"{where}.{key} is gone"])]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [text for i, pair in enumerate(zip(before, after)) for text in differences_of_json(*pair, f"{where}[{i}]", added)]
    # repr tells -0.0 from 0.0 and takes NaN for equal to itself.
    return [] if repr(before) == repr(after) else [f"{where}: {str(before)[:60]!r}, then {str(after)[:60]!r}"]


def tensors(content):
    """{name: (dtype, shape, bytes)} of a safetensors file, and its metadata."""
    length = struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8:8 + length])
    metadata = header.pop("__metadata__", {})
    return {name: (entry["dtype"], entry["shape"], content[8 + length + entry["data_offsets"][0]:8 + length + entry["data_offsets"][1]])
            for name, entry in header.items()}, metadata


def differences_of_tensors(before, after, where, added):
    if before == after:
        return []
    (old, old_metadata), (new, new_metadata) = tensors(before), tensors(after)
    found = differences_of_json(old_metadata, new_metadata, f"{where} metadata", added)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    found += [f"{where}: {len(names)} of {len(old)} tensors differ, the first is {names[0]}"] if names else []
    return found or [f"{where}: the tensors are equal, their order or place is not"]


def differences_of_files(before, after, where, added):
    if before.suffix == ".safetensors":
        return differences_of_tensors(before.read_bytes(), after.read_bytes(), where, added)
    if before.suffix in (".json", ".jsonl"):
        old, new = ([without_ignored(json.loads(text)) for text in ([path.read_text()] if path.suffix == ".json" else path.read_text().splitlines())]
                    for path in (before, after))
        return differences_of_json(old, new, where, added)
    old, new = before.read_bytes(), after.read_bytes()
    if old == new:
        return []
    at = next((i for i, pair in enumerate(zip(old, new)) if pair[0] != pair[1]), min(len(old), len(new)))
    return [f"{where}: {len(old)} and {len(new)} bytes, the first difference at {at}"]


def files(folder, name):
    """{path relative to the folder: path} of what a case wrote: a directory `name`, or files whose names begin with it and a dot."""
    found = [path for path in folder.iterdir() if path.name == name or (path.is_file() and path.name.startswith(name + "."))]
    every = [path for top in found for path in ([top] if top.is_file() else top.rglob("*"))]
    return {str(path.relative_to(folder)): path for path in every if path.is_file() and not IGNORED_FILES.fullmatch(path.name)}


def compare(work, name, old, new):
    """What differs, and which keys are new."""
    if new.returncode != old.returncode:
        return [f"exit code {new.returncode}: {(new.stderr.strip() or 'nothing said').splitlines()[0]}"], set()
    if old.returncode != 0:
        return [], set()
    added = set()
    found = differences_of_json(without_ignored(json.loads(old.stdout)), without_ignored(json.loads(new.stdout)), "output", added)
    before, after = files(work / "before", name), files(work / "after", name)
    found += [f"{path} is only in {'before' if path in before else 'after'}" for path in sorted(before.keys() ^ after.keys())]
    for path in sorted(before.keys() & after.keys()):
        found += differences_of_files(before[path], after[path], path, added)
    return found, added


def prepare(work):
    for folder in ("before", "after"):
        (work / folder).mkdir(parents=True)
    (work / "recipe.toml").write_text(RECIPE)
    with gzip.open(DATA / "text/wikitext2-test.raw.gz") as text:
        (work / "text.txt").write_bytes(text.read(6000))


def compare_all(arguments, work):
    cases = all_cases()
    compared = {name for name in cases if arguments.only in name}
    if not compared:
        sys.exit(f"no case is named like {arguments.only!r}; there are: {', '.join(cases)}")
    executed = set().union(*(needed(cases, name) for name in compared))
    results = []
    for name in (name for name in cases if name in executed):
        start = time.monotonic()
        old = run(arguments.before, work / "before", name, cases[name], arguments.threads)
        if old.returncode != 0 and "bf16" not in name:  # which needs a CPU that has it
            sys.exit(f"{name}: BEFORE itself ended with {old.returncode}\n{old.stderr}")
        if name not in compared:
            continue
        new = run(arguments.after, work / "after", name, cases[name], arguments.threads)
        found, added = compare(work, name, old, new)
        results.append({"case": name, "same": not found, "differences": found, "new_keys": sorted(added)})
        print(f"{'same  ' if not found else 'DIFFER'}  {name}  ({time.monotonic() - start:.1f} s)"
              + (f"  new keys: {', '.join(sorted(added))}" if added else "")
              + (f"  both refuse it: {old.stderr.splitlines()[0]}" if old.returncode != 0 else ""), flush=True)
        for text in found[:5]:
            print(f"          {text}", flush=True)
    return results


def about(binary):
    version = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    return {"version": version, "sha256": hashlib.sha256(binary.read_bytes()).hexdigest()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=pathlib.Path)
    parser.add_argument("after", type=pathlib.Path)
    parser.add_argument("--only", default="", metavar="PART", help="only the cases whose name holds this")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--keep", type=pathlib.Path, metavar="DIR", help="keep what both wrote in this new directory")
    arguments = parser.parse_args()
    arguments.before, arguments.after = arguments.before.resolve(), arguments.after.resolve()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spectra-") as temporary:
        work = arguments.keep.resolve() if arguments.keep else pathlib.Path(temporary) / "work"
        prepare(work)
        results = compare_all(arguments, work)
    differing = [result["case"] for result in results if not result["same"]]
    print(f"{len(results)} cases, {len(differing)} differ, {time.monotonic() - start:.0f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps({
            "date": datetime.date.today().isoformat(), "machine": machine(), "command": "bench/compare_builds.py BEFORE AFTER",
            "threads": arguments.threads, "before": about(arguments.before), "after": about(arguments.after),
            "ignored_keys": sorted(IGNORED_KEYS), "ignored_files": IGNORED_FILES.pattern, "cases": results}, indent=1) + "\n")
    sys.exit(4 if differing else 0)


if __name__ == "__main__":
    main()
