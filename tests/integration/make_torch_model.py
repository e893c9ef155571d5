# SPDX-License-Identifier: Apache-2.0
"""Writes HFDIR (model.safetensors) as OUTDIR with pytorch_model.bin, through real PyTorch: transposed, cut and shared storages
among the tensors, parts of them in a second file. Usage: make_torch_model.py HFDIR OUTDIR single|sharded"""
import json
import pathlib
import shutil
import struct
import sys

import torch

source, out, kind = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
data = (source / "model.safetensors").read_bytes()
length, = struct.unpack("<Q", data[:8])
header = json.loads(data[8:8 + length])
header.pop("__metadata__", None)
types = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}
state, big = {}, torch.zeros(0)
for i, (name, entry) in enumerate(header.items()):
    begin, end = (8 + length + offset for offset in entry["data_offsets"])
    tensor = torch.frombuffer(bytearray(data[begin:end]), dtype=types[entry["dtype"]]).reshape(entry["shape"])
    if tensor.dim() == 2 and i % 3 == 0:
        tensor = tensor.t().contiguous().t()  # stride 1 along rows
    elif tensor.dim() == 2 and i % 3 == 1:
        wide = torch.full((tensor.shape[0] + 2, tensor.shape[1] + 5), 7, dtype=tensor.dtype)
        wide[1:-1, 2:-3] = tensor
        tensor = wide[1:-1, 2:-3]  # a view with an offset
    elif tensor.dim() == 1:
        tensor = torch.nn.Parameter(tensor)
    state[name] = tensor
state["rotary_emb.inv_freq"] = torch.ones(4)
out.mkdir()
for file in source.iterdir():
    if file.suffix == ".json" and file.name != "spectra.json":
        shutil.copy(file, out / file.name)
if kind == "single":
    torch.save(state, out / "pytorch_model.bin")
else:
    names = sorted(state)
    parts = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    for part, members in parts.items():
        torch.save({name: state[name] for name in members}, out / part)
    index = {"metadata": {}, "weight_map": {name: part for part, members in parts.items() for name in members}}
    (out / "pytorch_model.bin.index.json").write_text(json.dumps(index))
