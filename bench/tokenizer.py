#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast `spectra tokenize` encodes on one core, with the GPT-NeoX tokenizer: start, reading, and printing the ids included.

Two texts of about 50 MB: wikitext-2's test split over and over, and novels without repetition. Every command runs five times; writes
bench/results/tokenizer.json. Usage: bench/tokenizer.py [--binary build/release/spectra]
"""
import argparse
import datetime
import gzip
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = pathlib.Path(os.environ.get("SPECTRA_TEST_DATA", ROOT / "../shared/data"))
RUNS = 5
TEXT_BYTES = 50_000_000


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def spread(values):
    return {"median": round(statistics.median(values), 2), "min": round(min(values), 2), "max": round(max(values), 2)}


def measure(binary, text):
    """MB/s by the clock on the wall and by processor time; the two differ when other programs want the core."""
    command = [str(binary), "tokenize", "--tokenizer", str(DATA / "tokenizer/20B_tokenizer.json.gz"), "--text", str(text)]
    wall, cpu = [], []
    for _ in range(RUNS):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        result = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        wall.append(text.stat().st_size / 1e6 / seconds)
        cpu.append(text.stat().st_size / 1e6 / used)
    return {"command": " ".join(pathlib.Path(part).name for part in command), "bytes": text.stat().st_size, "tokens": len(result.stdout.split()),
            "megabytes_per_second": spread(wall), "megabytes_per_cpu_second": spread(cpu)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    binary = parser.parse_args().binary.resolve()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as temporary:
        wikitext, novels = pathlib.Path(temporary) / "wikitext2.txt", pathlib.Path(temporary) / "novels.txt"
        with gzip.open(DATA / "text/wikitext2-test.raw.gz") as source:
            once = source.read()
        wikitext.write_bytes(once * (TEXT_BYTES // len(once) + 1))
        with open(novels, "wb") as target:
            subprocess.run(["zstd", "-dc", str(DATA / "text/novels-train.txt.zst")], stdout=target, check=True)
        results = {"wikitext2_repeated": measure(binary, wikitext), "novels": measure(binary, novels)}
    report = {"machine": {"cpu": cpu_name(), "cores_used": 1, "system": platform.platform()},
              "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"), "runs": RUNS, "required_megabytes_per_second": 10, "results": results}
    out = ROOT / "bench/results/tokenizer.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
