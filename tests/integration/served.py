# SPDX-License-Identifier: Apache-2.0
"""A running `spectra serve`, and requests to it."""
import contextlib
import json
import signal
import socket
import subprocess
import urllib.error
import urllib.request

import harness


class Server:
    """Listens on a free port until the block ends; then it must shut down by itself, with exit status 0."""

    def __init__(self, *arguments):
        self.arguments = [str(a) for a in arguments]
        self.asked = False

    def __enter__(self):
        command = [str(harness.BINARY), "serve", *self.arguments, "--port", "0", "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.stderr.read())
        self.printed = json.loads(line)
        self.url = self.printed["url"]
        self.host, self.port = "127.0.0.1", int(self.url.rsplit(":", 1)[1])
        return self

    def terminate(self):
        """Asks it to shut down, once: a second signal ends it at once."""
        if not self.asked:
            self.process.send_signal(signal.SIGTERM)
        self.asked = True

    def __exit__(self, *error):
        self.terminate()
        try:
            self.log = self.process.communicate(timeout=120)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("the server did not shut down")
        if error[0] is None and self.process.returncode != 0:
            raise AssertionError(f"exit status {self.process.returncode}\n{self.log}")

    def call(self, path, body=None, headers=None, method=None, timeout=120):
        """(status, text, headers). `body`: bytes, or what becomes JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), error.headers

    def json(self, path, body=None, **options):
        status, text, _ = self.call(path, body, **options)
        if status != 200:
            raise AssertionError(f"{path}: {status} {text}")
        return json.loads(text)

    def events(self, path, body):
        """The events of a streamed answer."""
        _, text, _ = self.call(path, {**body, "stream": True})
        lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
        assert lines[-1] == "[DONE]", text
        return [json.loads(line) for line in lines[:-1]]

    def metric(self, name):
        """Its values over all labels, summed."""
        lines = self.call("/metrics")[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    @contextlib.contextmanager
    def socket(self, text=b""):
        with contextlib.closing(socket.create_connection((self.host, self.port), timeout=60)) as connection:
            connection.sendall(text)
            yield connection


def post(path, body, extra=""):
    """A request as bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{extra}Content-Length: {len(data)}\r\n\r\n".encode() + data


def read_all(connection):
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)
