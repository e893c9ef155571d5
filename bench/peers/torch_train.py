#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A complete TriLM training step in PyTorch on random tokens: ternarize with absmean scales (straight through), RMSNorm, SwiGLU, RoPE,
causal attention, cross-entropy, clipping, AdamW; products in bf16 by autocast, weights fp32. The counterpart of `spectra bench --train`.

Prints one JSON object: tokens per second of each timed step. Usage: torch_train.py --hidden 256 --glu 640 --heads 4 --layers 8
--vocab 4096 --batch 16 --sequence 256 [--steps 10] [--warmup 3] [--threads 2] [--precision bf16|fp32]
"""
import argparse
import json
import math
import resource
import time

import torch
from torch import nn
from torch.nn import functional


class TernaryLinear(nn.Linear):
    """The forward pass uses scale * {-1, 0, 1}, the gradient goes to the full-precision weight."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x):
        scale = 1e-5 + self.weight.detach().abs().mean()
        ternary = scale * (self.weight.detach() / scale).clamp(-1, 1).round()
        return functional.linear(x, self.weight + (ternary - self.weight.detach()))


class RMSNorm(nn.Module):
    def __init__(self, width, eps=1e-5):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def rotate(x, cosines, sines):
    """Half-split pairs, as Hugging Face's Llama."""
    first, second = x.chunk(2, dim=-1)
    return x * cosines + torch.cat((-second, first), dim=-1) * sines


class Layer(nn.Module):
    def __init__(self, hidden, glu, heads):
        super().__init__()
        self.heads = heads
        self.attention_norm, self.mlp_norm = RMSNorm(hidden), RMSNorm(hidden)
        self.q, self.k, self.v, self.o = (TernaryLinear(hidden, hidden) for _ in range(4))
        self.gate, self.up, self.down = TernaryLinear(hidden, glu), TernaryLinear(hidden, glu), TernaryLinear(glu, hidden)

    def forward(self, x, cosines, sines, mask):
        batch, time_, hidden = x.shape
        y = self.attention_norm(x)
        q, k, v = (f(y).view(batch, time_, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        q, k = rotate(q, cosines, sines), rotate(k, cosines, sines)
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, time_, hidden)
        x = x + self.o(y)
        y = self.mlp_norm(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))


class TriLM(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.embedding = nn.Embedding(a.vocab, a.hidden)
        self.layers = nn.ModuleList(Layer(a.hidden, a.glu, a.heads) for _ in range(a.layers))
        self.norm, self.head = RMSNorm(a.hidden), nn.Linear(a.hidden, a.vocab, bias=False)
        half = a.hidden // a.heads // 2
        angles = torch.outer(torch.arange(a.sequence).float(), 10000.0 ** (-torch.arange(half).float() / half))
        self.register_buffer("cosines", torch.cat((angles.cos(), angles.cos()), dim=-1))
        self.register_buffer("sines", torch.cat((angles.sin(), angles.sin()), dim=-1))
        self.register_buffer("mask", torch.full((a.sequence, a.sequence), float("-inf")).triu(1))
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens, targets):
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.cosines, self.sines, self.mask)
        logits = self.head(self.norm(x))
        return functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def make_optimizer(model):
    matrices = [p for p in model.parameters() if p.dim() == 2]
    norms = [p for p in model.parameters() if p.dim() != 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": norms, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, foreach=True)


def train_step(model, optimizer, a):
    tokens, targets = (torch.randint(a.vocab, (a.batch, a.sequence)) for _ in range(2))
    start = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.precision == "bf16"):
        loss = model(tokens, targets)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    value = loss.item()
    return time.perf_counter() - start, value


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("hidden", "glu", "heads", "layers", "vocab", "batch", "sequence"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    model = TriLM(a)
    optimizer = make_optimizer(model)
    steps = [train_step(model, optimizer, a) for _ in range(a.warmup + a.steps)]
    seconds = [step[0] for step in steps[a.warmup:]]
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "precision": a.precision,
                      "parameters": sum(p.numel() for p in model.parameters()), "losses": [step[1] for step in steps],
                      "seconds": seconds, "tokens_per_second": [a.batch * a.sequence / s for s in seconds],
                      "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
