# SPDX-License-Identifier: Apache-2.0
"""A small run to disturb, for the tests of training: its data, its recipe, its checkpoints."""
import array
import hashlib
import json
import pathlib
import random
import struct
import subprocess

import harness

VOCAB = 200
STEPS = 60
RECIPE = """
[model]
family = "{family}"
hidden = 64
glu = 96
heads = 4
layers = 2
shards = 2
[data]
path = "{data}"
[train]
tokens = {tokens}
batch_tokens = 512
sequence = 32
micro_batch = 8
[checkpoint]
every = 7
[validation]
every = 10
tokens = 1000
"""
STATE = ("model.safetensors", "trainer.safetensors", "config.json", "spectra.json", "trainer.json")


def write_data(path, train=20_000, valid=1_500, rare=None):
    """Token data as src/format/token_data.h describes it, written without the program: words of a first-order chain. `rare`: how
    often the last word of the vocabulary occurs in the training split; None = as it comes."""
    rng = random.Random(1)
    path.mkdir()
    files = []
    for split, count in (("train", train), ("valid", valid)):
        tokens, starts = array.array("H"), array.array("Q")
        word = 1
        while len(tokens) < count:
            starts.append(len(tokens))
            for _ in range(min(rng.randint(5, 40), count - len(tokens) - 1)):
                word = 1 + (word * 3 if rng.random() < 0.8 else rng.randrange(VOCAB)) % (VOCAB - 1)
                tokens.append(word)
            tokens.append(0)
        if rare is not None:
            places = [i for i, token in enumerate(tokens) if token == VOCAB - 1]
            for place in places[rare if split == "train" else 0:]:
                tokens[place] = VOCAB - 2
        entry = {"split": split, "tokens": len(tokens), "documents": len(starts)}
        index = len(files)
        for key, name, content in (("", f"tokens-{index:05d}.bin", tokens), ("documents_", f"documents-{index:05d}.bin", starts)):
            (path / name).write_bytes(content.tobytes())
            entry[key + "name"], entry[key + "sha256"] = name, hashlib.sha256(content.tobytes()).hexdigest()
        files.append(entry)
    tokenizer = b'{"a tokenizer": "that training only copies"}'
    (path / "tokenizer.json").write_bytes(tokenizer)
    (path / "data.json").write_text(json.dumps({
        "schema": "spectra.data/1", "tokenizer_sha256": hashlib.sha256(tokenizer).hexdigest(), "vocab": VOCAB, "eos": 0,
        "token_bytes": 2, "replaced_bytes": 0, "sources": [], "files": files}))


def read_tensors(path):
    """{name: (offset in the file, values)} of an fp32 safetensors file."""
    content = path.read_bytes()
    length = struct.unpack_from("<Q", content)[0]
    tensors = {}
    for name, entry in json.loads(content[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = array.array("f")
        values.frombytes(content[8 + length + begin:8 + length + end])
        tensors[name] = (8 + length + begin, values)
    return tensors


def poison(checkpoint, token, hidden=64):
    """A checkpoint that looks whole but whose embedding of `token` is infinite: every batch that reads the token is bad."""
    file = checkpoint / "trainer.safetensors"
    offset, _ = read_tensors(file)["master.model.embed_tokens.weight"]
    content = bytearray(file.read_bytes())
    begin = offset + 4 * hidden * token
    content[begin:begin + 4 * hidden] = struct.pack("<f", float("inf")) * hidden
    file.write_bytes(content)
    state = json.loads((checkpoint / "trainer.json").read_text())
    state["sha256"]["trainer.safetensors"] = hashlib.sha256(content).hexdigest()
    (checkpoint / "trainer.json").write_text(json.dumps(state))


class Training(harness.Case):
    def setUp(self):
        super().setUp()
        self.data = self.directory / "data"
        write_data(self.data)
        self.recipe = self.write_recipe("recipe.toml")

    def write_recipe(self, name, extra="", **values):
        recipe = self.directory / name
        settings = {"family": "ternary", "data": self.data, "tokens": STEPS * 512, **values}
        recipe.write_text(RECIPE.format(**settings) + extra)
        return recipe

    def command(self, run, *more):
        return [str(part) for part in (harness.BINARY, "train", self.recipe, "--out", run, *more)]

    def log(self, run):
        return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]

    def trainer_state(self, checkpoint):
        return json.loads((checkpoint / "trainer.json").read_text())

    def children(self, process):
        """Processes that `process` (mpirun) started."""
        found = []
        for directory in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if int((directory / "stat").read_text().rsplit(")", 1)[1].split()[1]) == process.pid:
                    found.append(int(directory.name))
            except OSError:
                continue
        return found

    def checkpoint(self, run, step=STEPS):
        return run / "checkpoints" / f"step-{step:08d}"

    def assert_same_state(self, a, b):
        for name in STATE:
            self.assertEqual((a / name).read_bytes(), (b / name).read_bytes(), f"{name} differs")

    def assert_whole(self, run):
        """Every checkpoint that can be seen is complete, by its own checksums."""
        for checkpoint in (run / "checkpoints").glob("step-*"):
            for file in ("spectra.json", "trainer.json"):
                if not (checkpoint / file).exists() and file == "trainer.json":
                    continue  # an older one, kept as a model
                for name, wanted in json.loads((checkpoint / file).read_text())["sha256"].items():
                    self.assertEqual(hashlib.sha256((checkpoint / name).read_bytes()).hexdigest(), wanted, checkpoint / name)
