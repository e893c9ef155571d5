#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes training_step.json and quantizers.json beside itself with plain torch (1.13, fp64), independently of the C++ code.

    /usr/bin/python3 tests/golden/make_training_golden.py

training_step.json: two AdamW steps of tiny models of each family: loss, gradient norm, samples of each gradient before
clipping, scales, samples of each weight after the step. quantizers.json: matrices, their codes and scales.
Weights and tokens come from an integer formula (see `noise`) that any language computes to the same bits.
"""
import json
import math
import pathlib
import re

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).parent
SAMPLES = 8
TOKENS = {"batch": 2, "time": 16}
# As the C++ side holds them: floats.
HYPER = {k: float(np.float32(v)) for k, v in
         {"lr": 1e-2, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1, "clip": 1.0, "norm_eps": 1e-5}.items()}
BASE = {"hidden": 32, "glu": 48, "heads": 4, "kv_heads": 4, "layers": 2, "vocab": 64, "shards": 1, "tied": False}
MODELS = [
    dict(BASE, name="ternary", family="ternary", shards=2),
    dict(BASE, name="binary", family="binary"),
    dict(BASE, name="float", family="float"),
    dict(BASE, name="float with grouped queries and tied embeddings", family="float", kv_heads=2, tied=True),
]


def hashed(stream, index):
    """20 bits that look random (index: int64 array)."""
    x = (index.astype(np.uint64) * np.uint64(2654435761) + np.uint64(stream) * np.uint64(40503) + np.uint64(12345)) % np.uint64(2**32)
    x = (x ^ (x >> np.uint64(15))) * np.uint64(2246822519) % np.uint64(2**32)
    return x >> np.uint64(12)


def noise(stream, shape):
    """Uniform in [-0.5, 0.5) on a grid of 2^-20: exact in float, plus 1 too."""
    count = int(np.prod(shape))
    return torch.tensor(hashed(stream, np.arange(count)).astype(np.float64) * 2.0**-20 - 0.5).reshape(shape)


def to_fp16(value):
    return float(np.float16(np.float32(value)))


def shards_of(w, axis, bounds):
    return [w.narrow(axis, begin, end - begin) for begin, end in zip(bounds, bounds[1:])]


def quantize(w, family, axis, bounds):
    """(W~, codes, scales): paper table 1 for each shard."""
    codes, scales, scaled = [], [], []
    for shard in shards_of(w, axis, bounds):
        if family == "ternary":
            scale = to_fp16(1e-5 + shard.abs().mean().item())
            code = torch.round(torch.clamp(shard / scale, -1, 1))
        else:
            scale = to_fp16(shard.abs().mean().item())
            code = torch.where(shard - shard.mean() >= 0, 1.0, -1.0)
        codes.append(code)
        scales.append(scale)
        scaled.append(code * scale)
    return torch.cat(scaled, axis), torch.cat(codes, axis), scales


class LowBitLinear(torch.autograd.Function):
    """Y = X W~^T; dX = dY W~; dW = dY^T X, straight through."""

    @staticmethod
    def forward(ctx, x, w, scaled):
        ctx.save_for_backward(x, scaled)
        return x @ scaled.T

    @staticmethod
    def backward(ctx, dy):
        x, scaled = ctx.saved_tensors
        return dy @ scaled, dy.flatten(0, -2).T @ x.flatten(0, -2), None


class Llama:
    def __init__(self, config):
        self.c = config
        self.scales = {}
        d, f, v = config["hidden"], config["glu"], config["vocab"]
        kv = d // config["heads"] * config["kv_heads"]
        shapes = [("model.embed_tokens.weight", (v, d))]
        for i in range(config["layers"]):
            p = f"model.layers.{i}."
            shapes += [(p + "input_layernorm.weight", (1, d)), (p + "self_attn.q_proj.weight", (d, d)),
                       (p + "self_attn.k_proj.weight", (kv, d)), (p + "self_attn.v_proj.weight", (kv, d)),
                       (p + "self_attn.o_proj.weight", (d, d)), (p + "post_attention_layernorm.weight", (1, d)),
                       (p + "mlp.gate_proj.weight", (f, d)), (p + "mlp.up_proj.weight", (f, d)),
                       (p + "mlp.down_proj.weight", (d, f))]
        shapes += [("model.norm.weight", (1, d))] + ([] if config["tied"] else [("lm_head.weight", (v, d))])
        self.w = {}
        for stream, (name, shape) in enumerate(shapes):
            values = noise(stream, shape)
            self.w[name] = (1 + values if "norm" in name else values / 2).requires_grad_(True)

    def linear(self, x, name):
        w = self.w[name]
        if self.c["family"] == "float":
            return x @ w.T
        axis = 1 if "o_proj" in name or "down_proj" in name else 0
        s = self.c["shards"]
        bounds = [w.shape[axis] * i // s for i in range(s + 1)]
        with torch.no_grad():
            scaled, _, self.scales[name] = quantize(w, self.c["family"], axis, bounds)
        return LowBitLinear.apply(x, w, scaled)

    def norm(self, x, name):
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + HYPER["norm_eps"]) * self.w[name][0]

    def rotate(self, x):
        """x (B, H, T, E): complex rotation of the pairs (i, i + E/2) by t * 10000^(-2i/E)."""
        t, e = x.shape[2], x.shape[3]
        angle = torch.arange(t)[:, None] * torch.pow(torch.tensor(10000.0), -torch.arange(0, e, 2) / e)
        z = torch.complex(x[..., : e // 2], x[..., e // 2:]) * torch.exp(1j * angle)
        return torch.cat([z.real, z.imag], -1)

    def attention(self, x, p):
        b, t, d = x.shape
        e, group = d // self.c["heads"], self.c["heads"] // self.c["kv_heads"]
        q, k, v = (self.linear(x, p + n).reshape(b, t, -1, e).transpose(1, 2) for n in ("q_proj.weight", "k_proj.weight", "v_proj.weight"))
        k, v = self.rotate(k).repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        scores = self.rotate(q) @ k.transpose(2, 3) / math.sqrt(e)
        scores = scores.masked_fill(torch.triu(torch.ones(t, t, dtype=torch.bool), 1), float("-inf"))
        return self.linear((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, d), p + "o_proj.weight")

    def loss(self, tokens, targets):
        """Sum over the scored places."""
        x = self.w["model.embed_tokens.weight"][tokens]
        for i in range(self.c["layers"]):
            p = f"model.layers.{i}."
            x = x + self.attention(self.norm(x, p + "input_layernorm.weight"), p + "self_attn.")
            y = self.norm(x, p + "post_attention_layernorm.weight")
            h = torch.nn.functional.silu(self.linear(y, p + "mlp.gate_proj.weight")) * self.linear(y, p + "mlp.up_proj.weight")
            x = x + self.linear(h, p + "mlp.down_proj.weight")
        head = self.w["model.embed_tokens.weight" if self.c["tied"] else "lm_head.weight"]
        logits = self.norm(x, "model.norm.weight") @ head.T
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum")


def batch_of(step):
    """Tokens of stream 1000 + step; target = the next token, the last of the batch and number 5 are not scored."""
    count = TOKENS["batch"] * TOKENS["time"]
    flat = (hashed(1000 + step, np.arange(count)) % np.uint64(BASE["vocab"])).astype(np.int64)
    targets = np.append(flat[1:], -1)
    targets[5] = -1
    shape = (TOKENS["batch"], TOKENS["time"])
    return torch.tensor(flat.reshape(shape)), torch.tensor(targets.reshape(shape))


def rounded(value):
    """12 digits: the tests ask for 9."""
    return float(f"{value:.12g}")


def sampled(tensor):
    flat = tensor.detach().flatten()
    return [rounded(flat[(13 + 7919 * i) % flat.numel()].item()) for i in range(SAMPLES)]


def train(config):
    model = Llama(config)
    decayed = [w for name, w in model.w.items() if "norm" not in name]
    others = [w for name, w in model.w.items() if "norm" in name]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": HYPER["weight_decay"]}, {"params": others, "weight_decay": 0.0}],
        lr=HYPER["lr"], betas=(HYPER["beta1"], HYPER["beta2"]), eps=HYPER["eps"])
    steps = []
    for step in range(2):
        loss = model.loss(*batch_of(step))
        optimizer.zero_grad()
        (loss / 32).backward()
        norm = math.sqrt(sum((w.grad**2).sum().item() for w in model.w.values()))
        parameters = {name: {"gradient_norm": rounded(w.grad.norm().item()), "gradient": sampled(w.grad)} for name, w in model.w.items()}
        for name, scales in model.scales.items():
            parameters[name]["scales"] = scales
        for w in model.w.values():
            w.grad *= min(1.0, HYPER["clip"] / norm)
        optimizer.step()
        for name, w in model.w.items():
            parameters[name]["weight"] = sampled(w)
        steps.append({"loss": loss.item(), "gradient_norm": norm, "parameters": parameters})
        print(f'{config["name"]}: loss {loss.item():.6f}, gradient norm {norm:.4f}')
    return dict(config, steps=steps)


def quantizer_cases():
    # Mean |W| = 1/4, and fp16(1/4 + 1e-5) = 1/4: W / gamma is exactly +-1/2 (a tie: to 0), +-3/2 (clipped), one ulp beside the tie.
    above, below = (float(np.nextafter(np.float32(0.125), np.float32(x))) for x in (1.0, 0.0))
    exact = [0.125, -0.125, 0.375, -0.375, 0.25, -0.25, 0.0, 0.5]
    beside = [above, -above, below, -below, 0.375, -0.375, 0.375, -0.375]
    # Mean W = 1/16, which four weights equal: sign(0) = +1.
    centred = [0.0625] * 4 + [0.3125, -0.1875, 0.5625, -0.4375]
    cases = [
        ("ties and clipping", "ternary", 0, [0, 2, 4], torch.tensor([exact, exact, beside, beside])),
        ("all zero", "ternary", 0, [0, 2], torch.zeros(2, 3)),
        ("all zero", "binary", 0, [0, 2], torch.zeros(2, 3)),
        ("weights equal to the mean", "binary", 1, [0, 8], torch.tensor([centred, centred])),
    ]
    for family, stream in (("ternary", 50), ("binary", 60)):
        w = noise(stream, (6, 10)) * 0.25
        cases += [("one shard", family, 0, [0, 6], w), ("row shards", family, 0, [0, 2, 3, 6], w), ("column shards", family, 1, [0, 1, 5, 10], w)]
    result = []
    for name, family, axis, bounds, w in cases:
        _, codes, scales = quantize(w, family, axis, bounds)
        result.append({"name": f"{family}: {name}", "family": family, "by_rows": axis == 0, "bounds": bounds, "rows": w.shape[0],
                       "cols": w.shape[1], "weights": w.flatten().tolist(), "codes": [int(x) for x in codes.flatten()], "scales": scales})
    return result


def write(name, value):
    """Indented, but each list of numbers on one line."""
    text = json.dumps(value, indent=1)
    (HERE / name).write_text(re.sub(r"\[[-+.\d\se,]*\]", lambda numbers: re.sub(r"\s+", " ", numbers[0]), text) + "\n")


def main():
    write("training_step.json", {"about": "made by make_training_golden.py with torch in fp64; allowed error 1e-9 in fp64, 1e-4 in fp32",
                                 "hyper": HYPER, "tokens": TOKENS, "scale": 1 / 32, "samples": SAMPLES, "models": [train(c) for c in MODELS]})
    write("quantizers.json", {"about": "made by make_training_golden.py; codes and scales are exact", "cases": quantizer_cases()})


if __name__ == "__main__":
    main()
