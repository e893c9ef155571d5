#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Streaming clients on `spectra serve`, all on this machine: tokens per second of one stream in the engine, of one client and of many over
HTTP; failed requests; time to first token; memory. Writes bench/results/serve_load.json.

The engine alone: one stream and as many as clients in turns, each with the bandwidth that the machine had then: one stream is as fast as memory,
many together as fast as arithmetic, so their ratio is the machine's. With --gguf, the same model for llama.cpp (its npm package has no server): its
context's own batch calls in the same turns.

Every client sends one request after another: a prompt of its own of 40 words, 128 tokens at temperature 1. Clients only count events; they are
part of the load. Usage: bench/serve_load.py MODEL [--clients 32] [--seconds 60] [--binary B] [--gguf FILE] [--out FILE]
"""
import argparse
import asyncio
import datetime
import json
import os
import pathlib
import platform
import random
import re
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORDS = "the a of to and in it was that he she they on with at from day night river house tree cat dog bird went saw said old small green".split()
TOKENS = 128
ROUNDS = 7


def cpu_name():
    found = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else platform.machine()


class Load:
    def __init__(self, port):
        self.port, self.tokens, self.first, self.failed, self.requests = port, 0, [], 0, 0

    async def request(self, rng):
        body = json.dumps({"prompt": " ".join(rng.choices(WORDS, k=40)), "max_tokens": TOKENS, "temperature": 1, "stream": True, "ignore_eos": True})
        begin = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        answer, first = b"", None
        while piece := await reader.read(1 << 16):
            if first is None and b"data: " in piece:
                first = time.monotonic() - begin
            answer += piece
        writer.close()
        if not answer.startswith(b"HTTP/1.1 200") or b"data: [DONE]" not in answer or b'data: {"error"' in answer:
            self.failed += 1
            print("failed:", answer[-500:], file=sys.stderr)
            return
        self.requests += 1
        self.first.append(first)

    async def client(self, seed, end):
        rng = random.Random(seed)
        while time.monotonic() < end:
            await self.request(rng)

    async def run(self, clients, seconds, watch):
        end = time.monotonic() + seconds
        tasks = [asyncio.create_task(self.client(i, end)) for i in range(clients)]
        while time.monotonic() < end:
            await asyncio.sleep(min(5, seconds / 4))
            watch()
        await asyncio.gather(*tasks)


async def metric(port, name):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    text = (await reader.read(-1)).decode()
    writer.close()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name + "{"))


def resident(process):
    return int(pathlib.Path(f"/proc/{process.pid}/status").read_text().split("VmRSS:")[1].split()[0]) << 10


def decode(binary, model, streams):
    """Of the engine, on all cores."""
    bench = json.loads(subprocess.run([binary, "bench", model, "--prompt", "0", "--generate", str(TOKENS), "--runs", "3", "--batch-decode", str(streams),
                                       "--threads", str(os.cpu_count()), "--json"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
    result = bench["results"][0]
    return {"tokens_per_second": result["tokens_per_second"]["median"], "machine_gbytes_per_second": result["bandwidth_gbytes_per_second"]}


def llama(gguf, streams):
    speed = json.loads(subprocess.run(["node", ROOT / "bench/peers/llama_speed.mjs", gguf, "--prompt", "1", "--generate", str(TOKENS), "--repeats", "3", "--threads",
                                       str(os.cpu_count()), "--sequences", str(streams)], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
    return {"tokens_per_second": speed["decode_tokens_per_second"]["median"], "release": speed["release"]}


def measure(server, port, clients, seconds):
    memory = []
    load = Load(port)
    before, begin = asyncio.run(metric(port, "spectra_generated_tokens_total")), time.monotonic()
    asyncio.run(load.run(clients, seconds, lambda: memory.append(resident(server))))
    elapsed = time.monotonic() - begin
    generated = asyncio.run(metric(port, "spectra_generated_tokens_total")) - before
    first = sorted(load.first)
    return {"clients": clients, "seconds": elapsed, "requests": load.requests, "failed": load.failed, "tokens_per_second": generated / elapsed,
            "time_to_first_token": {"median": statistics.median(first), "p99": first[min(len(first) - 1, int(0.99 * len(first)))], "max": first[-1]},
            "resident_bytes": memory}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/spectra")
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/serve_load.json")
    a = parser.parse_args()
    rounds, peer = [], []
    for _ in range(ROUNDS):
        rounds += [{"streams": n, **decode(a.binary, a.model, n)} for n in (1, a.clients)]
        peer += [{"streams": n, **llama(a.gguf, n)} for n in (1, a.clients) if a.gguf]
    speed = {n: [r["tokens_per_second"] for r in rounds if r["streams"] == n] for n in (1, a.clients)}
    ratios = [many / one for one, many in zip(speed[1], speed[a.clients])]
    engine = statistics.median(speed[1])
    server = subprocess.Popen([a.binary, "serve", a.model, "--port", "0", "--max-concurrent", str(a.clients), "--json"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(json.loads(server.stdout.readline())["url"].rsplit(":", 1)[1])
        one = measure(server, port, 1, min(a.seconds, 15))
        many = measure(server, port, a.clients, a.seconds)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    revision = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    document = {"machine": f"{cpu_name()}, {os.cpu_count()} cores", "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                "revision": revision, "command": " ".join(sys.argv), "engine": {"rounds": rounds, "one_stream_tokens_per_second": engine, "many_tokens_per_second": statistics.median(speed[a.clients]),
                           "many_over_one": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}}, "one": one, "many": many,
                "many_over_engine_one_stream": many["tokens_per_second"] / engine, "many_over_one": many["tokens_per_second"] / one["tokens_per_second"]}
    if peer:
        document["llama_cpp"] = {"rounds": peer, **{f"{name}_tokens_per_second": statistics.median(r["tokens_per_second"] for r in peer if r["streams"] == n)
                                                    for name, n in (("one_stream", 1), ("many", a.clients))}}
    a.out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
