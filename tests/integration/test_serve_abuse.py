#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""spectra serve and clients that mean no good, or break off: each time it stays alive and answers as before."""
import json
import os
import pathlib
import random
import socket
import struct
import threading
import time

import harness
from harness import DATA, spectra
from served import Server, post, read_all

MODEL = DATA / "model/stories260k"
RESET = struct.pack("ii", 1, 0)  # close() then breaks the connection instead of ending it
CONNECTIONS = int(os.environ.get("SPECTRA_ABUSE_CONNECTIONS", 10_000))


class Abuse(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.temporary = harness.tempfile.TemporaryDirectory(prefix="spectra-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.model = pathlib.Path(cls.temporary.name) / "stories"
        spectra("convert", MODEL / "stories260K.bin", cls.model, "--tokenizer", MODEL / "tok512.bin")
        cls.server = cls.enterClassContext(Server(cls.model, "--request-time", 2))
        cls.expected = cls.answer()

    @classmethod
    def answer(cls):
        return cls.server.json("/v1/completions", {"prompt": "Once upon a time", "max_tokens": 30, "temperature": 0})["choices"]

    def tearDown(self):
        """Alive, right, and nothing left behind."""
        self.assertEqual(self.answer(), self.expected)
        self.wait_until(lambda: self.server.metric("spectra_texts_running") + self.server.metric("spectra_texts_waiting") == 0)
        self.wait_until(lambda: self.server.metric("spectra_kv_pages_used") == 0)
        self.wait_until(lambda: self.server.metric("spectra_connections") <= 2)

    def wait_until(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, "it did not come to rest")
            time.sleep(0.02)

    def long(self, **more):
        return {"prompt": "a", "max_tokens": 500, "ignore_eos": True, "stop_token_ids": [], **more}

    def test_slow_senders(self):
        request = post("/v1/completions", {"prompt": "a"}, "X: y\r\n")
        with self.server.socket(request[:20]) as headers, self.server.socket(request[:-5]) as body, self.server.socket() as silent:
            begin = time.monotonic()
            for byte in request[20:24]:
                headers.sendall(bytes([byte]))  # a byte now and then does not keep it open
                time.sleep(0.3)
            for connection in (headers, body, silent):
                self.assertEqual(read_all(connection), b"")
            self.assertLess(time.monotonic() - begin, 30)

    def test_half_closed(self):
        for request in (b"", b"GET /health HT", post("/v1/completions", self.long())):
            with self.server.socket(request) as connection:
                connection.shutdown(socket.SHUT_WR)
                read_all(connection)

    def test_connections_opened_and_dropped(self):
        for i in range(CONNECTIONS):
            connection = socket.create_connection((self.server.host, self.server.port), timeout=60)
            if i % 3 == 0:
                connection.sendall(b"GET /health HTTP/1.1\r\n")
            if i % 2 == 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.close()

    def test_many_idle_connections(self):
        idle = [socket.create_connection((self.server.host, self.server.port), timeout=60) for _ in range(800)]
        self.assertEqual(self.answer(), self.expected)
        for connection in idle:
            connection.close()

    def test_large_bodies(self):
        with self.server.socket(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n") as connection:
            self.assertIn(b" 413 ", connection.recv(1 << 16))
        with self.server.socket(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n") as connection:
            with self.assertRaises(OSError):  # its length was not announced: the connection is closed
                for _ in range(1000):
                    connection.sendall(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
        self.assertLess(self.resident(), 400 << 20)
        with self.server.socket(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n") as connection:
            self.assertRegex(read_all(connection), rb"^HTTP/1.1 4\d\d |^$")
        with self.server.socket(b"GET /" + b"c" * 100_000 + b" HTTP/1.1\r\n\r\n") as connection:
            self.assertRegex(read_all(connection), rb"^HTTP/1.1 4\d\d |^$")

    def resident(self):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) << 10

    def test_bodies_that_are_no_request(self):
        deep = b'{"prompt":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        for body in (b"", b"{", b"null", b"[]", b"3", deep, b'{"a":' * 50_000, b'{"prompt":"\xff\xfe"}', b"\x00" * 1000, b'{"prompt":"\\ud800"}',
                     b'{"prompt":"a","prompt":"b"}', b'{"n":1e999}', b'{"seed":123456789012345678901234567890}', b'{"prompt":[' + b"1," * 3_000_000 + b"1]}"):
            status, text, _ = self.server.call("/v1/completions", body)
            self.assertEqual(status, 400, body[:50])
            self.assertIn("error", json.loads(text))

    def test_bytes_that_are_no_http(self):
        rng = random.Random(7)
        for _ in range(200):
            with self.server.socket(rng.randbytes(rng.randrange(1, 300)) + b"\r\n\r\n") as connection:
                connection.shutdown(socket.SHUT_WR)
                read_all(connection)
        for text in (b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 1000,
                     b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"G" * 70_000):
            with self.server.socket(text) as connection:
                read_all(connection)

    def test_a_client_that_leaves_frees_its_place(self):
        for stream in (False, True):
            before = self.server.metric("spectra_generated_tokens_total")
            for reset in (False, True):
                with self.server.socket(post("/v1/completions", self.long(stream=stream, n=16))) as connection:
                    self.wait_until(lambda: self.server.metric("spectra_texts_running") > 0)
                    if stream:
                        connection.recv(100)
                    if reset:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.wait_until(lambda: self.server.metric("spectra_texts_running") == 0)
            self.assertLess(self.server.metric("spectra_generated_tokens_total") - before, 2 * 16 * 500)

    def test_a_client_that_does_not_read(self):
        with self.server.socket(post("/v1/completions", self.long(stream=True, logprobs=5, n=32))):
            self.wait_until(lambda: self.server.metric("spectra_texts_running") > 0)
            self.wait_until(lambda: self.server.metric("spectra_texts_running") == 0)
            self.assertEqual(self.answer(), self.expected)

    def test_pipelined_requests(self):
        one = post("/v1/completions", {"prompt": "a", "max_tokens": 2, "temperature": 0}), b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        with self.server.socket(one[0] * 3 + one[1]) as connection:
            self.assertEqual(read_all(connection).count(b"HTTP/1.1 200"), 4)

    def test_mixed_load_then_sigterm(self):
        """Clients of all kinds at once; the server is told to end in the middle of it, and does."""
        with Server(self.model, "--max-concurrent", 4, "--shutdown-time", 2) as server:
            stop = threading.Event()

            def client(seed):
                rng = random.Random(seed)
                while not stop.is_set():
                    try:
                        with server.socket(post("/v1/completions", self.long(stream=rng.random() < 0.5, max_tokens=rng.randrange(1, 200),
                                                                             n=rng.randrange(1, 5)))) as connection:
                            connection.settimeout(rng.choice([0.01, 0.1, 10]))
                            read_all(connection) if rng.random() < 0.5 else connection.recv(10)
                    except OSError:
                        pass

            threads = [threading.Thread(target=client, args=(i,)) for i in range(16)]
            for thread in threads:
                thread.start()
            time.sleep(2)
            server.terminate()
            server.process.wait(60)
            stop.set()
            for thread in threads:
                thread.join()


if __name__ == "__main__":
    harness.main(MODEL)
