# SPDX-License-Identifier: Apache-2.0
"""Quantized directories of other tools: written here from the specification of the formats alone, read by every command.

Python integers are streams of bits: a word of GPTQ's columns is a slice of one.
"""
import json
import math
import random
import struct

from harness import Case, main, spectra, spectra_json

HIDDEN, GLU, HEADS, LAYERS, VOCAB = 64, 96, 4, 2, 64
SHAPES = [("self_attn.q_proj", HIDDEN, HIDDEN), ("self_attn.k_proj", HIDDEN, HIDDEN), ("self_attn.v_proj", HIDDEN, HIDDEN),
          ("self_attn.o_proj", HIDDEN, HIDDEN), ("mlp.gate_proj", GLU, HIDDEN), ("mlp.up_proj", GLU, HIDDEN), ("mlp.down_proj", HIDDEN, GLU)]
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": GLU,
          "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "vocab_size": VOCAB, "max_position_embeddings": 64, "hidden_act": "silu",
          "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "torch_dtype": "float16", "bos_token_id": 0, "eos_token_id": 0}


def fp16(value):
    return struct.unpack("<e", struct.pack("<e", value))[0]


def write_safetensors(path, tensors):
    """tensors: name -> (dtype, shape, bytes)."""
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def read_safetensors(path):
    data = path.read_bytes()
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + length])
    begin = 8 + length
    return {name: (t["dtype"], t["shape"], data[begin + t["data_offsets"][0]:begin + t["data_offsets"][1]])
            for name, t in header.items() if name != "__metadata__"}


def halves(values):
    return struct.pack(f"<{len(values)}e", *values)


def words(values):
    return struct.pack(f"<{len(values)}I", *values)


def stream(numbers, bits):
    """Words of a little-endian stream: number k in bits [bits k, bits k + bits)."""
    total = sum(number << (bits * k) for k, number in enumerate(numbers))
    return [(total >> (32 * w)) & 0xffffffff for w in range(len(numbers) * bits // 32)]


def compressed(layer, u, scales, bits):
    """u (rows, cols), scales (rows, groups)."""
    rows, cols, per = len(u), len(u[0]), 32 // bits
    packed = [sum(x << (bits * k) for k, x in enumerate(row[c:c + per])) for row in u for c in range(0, cols, per)]
    return {f"{layer}.weight_packed": ("I32", [rows, math.ceil(cols / per)], words(packed)),
            f"{layer}.weight_scale": ("F16", [rows, len(scales[0])], halves([s for row in scales for s in row])),
            f"{layer}.weight_shape": ("I64", [2], struct.pack("<2q", rows, cols))}


def gptq(layer, u, scales, bits):
    rows, cols, groups = len(u), len(u[0]), len(scales[0])
    columns = [stream(row, bits) for row in u]
    zeros = stream([2 ** (bits - 1) - 1] * rows, bits)  # less one: the first version of the format
    return {f"{layer}.qweight": ("I32", [cols * bits // 32, rows], words([column[w] for w in range(cols * bits // 32) for column in columns])),
            f"{layer}.qzeros": ("I32", [groups, rows * bits // 32], words(zeros * groups)),
            f"{layer}.scales": ("F16", [groups, rows], halves([scales[r][g] for g in range(groups) for r in range(rows)])),
            f"{layer}.g_idx": ("I32", [cols], words([c * groups // cols for c in range(cols)]))}


def gptq_config(bits, group_size):
    return {"quant_method": "gptq", "bits": bits, "group_size": group_size or -1, "desc_act": False, "sym": True, "damp_percent": 0.01}


def compressed_config(bits, group_size):
    weights = {"num_bits": bits, "type": "int", "symmetric": True, "strategy": "group" if group_size else "channel",
               "group_size": group_size or None, "dynamic": False}
    return {"quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed", "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": None, "output_activations": None}}}


def write_model(path, pack, config, bits, group_size):
    """A model of random codes. Returns its linear weights, scale * (u - middle), by name."""
    rng = random.Random(bits)
    floats = lambda count, mean: halves([mean + rng.uniform(-0.5, 0.5) for _ in range(count)])
    tensors = {"model.embed_tokens.weight": ("F16", [VOCAB, HIDDEN], floats(VOCAB * HIDDEN, 0)),
               "model.norm.weight": ("F16", [HIDDEN], floats(HIDDEN, 1)), "lm_head.weight": ("F16", [VOCAB, HIDDEN], floats(VOCAB * HIDDEN, 0))}
    weights = {}
    for i in range(LAYERS):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{i}.{norm}.weight"] = ("F16", [HIDDEN], floats(HIDDEN, 1))
        for name, rows, cols in SHAPES:
            layer = f"model.layers.{i}.{name}"
            size = group_size or cols
            u = [[rng.randrange(2 ** bits) for _ in range(cols)] for _ in range(rows)]
            scales = [[fp16(rng.uniform(0.1, 0.3) / 2 ** bits) for _ in range(cols // size)] for _ in range(rows)]
            tensors.update(pack(layer, u, scales, bits))
            weights[f"{layer}.weight"] = [scales[r][c // size] * (u[r][c] - 2 ** (bits - 1)) for r in range(rows) for c in range(cols)]
    path.mkdir()
    write_safetensors(path / "model.safetensors", tensors)
    (path / "config.json").write_text(json.dumps(dict(CONFIG, quantization_config=config(bits, group_size))))
    return weights


CASES = [("compressed-tensors", compressed, compressed_config, bits, group) for bits in (3, 4, 6, 8) for group in (0, 32)] + \
        [("gptq", gptq, gptq_config, bits, group) for bits in (3, 4, 8) for group in (0, 32)]


class QuantizedFormats(Case):
    def test_models_of_other_tools(self):
        for format, pack, config, bits, group_size in CASES:
            with self.subTest(format=format, bits=bits, group_size=group_size):
                name = f"{format}-{bits}-{group_size}"
                model = self.directory / name
                weights = write_model(model, pack, config, bits, group_size)
                about = spectra_json("inspect", model)
                self.assertEqual(about["packed_format"], format)
                self.assertEqual((about["quantization"]["bits"], about["quantization"]["group_size"]), (bits, group_size))
                stored = read_safetensors(model / "model.safetensors")
                self.assertEqual(about["linear_bytes"], sum(len(t[2]) for n, t in stored.items() if "_proj." in n))
                for kind, dtype, code in (("unpacked", "F16", "e"), ("exact", "F32", "f")):
                    out = self.directory / f"{name}-{kind}"
                    spectra(*(("unpack", model) if kind == "unpacked" else ("convert", model, out, "--to", "hf")),
                            *(("--out", out) if kind == "unpacked" else ()))
                    read = read_safetensors(out / "model.safetensors")
                    for tensor, expected in weights.items():
                        self.assertEqual(read[tensor][0], dtype)
                        found = struct.unpack(f"<{len(expected)}{code}", read[tensor][2])
                        self.assertEqual(list(found), [fp16(w) for w in expected] if kind == "unpacked" else expected, tensor)
                spectra("bench", model, "--prompt", 8, "--generate", 4, "--runs", 1, "--no-limits")

    def test_there_and_back(self):
        for bits in (3, 4, 8):
            names = [self.directory / f"{bits}-{n}" for n in "abc"]
            write_model(names[0], compressed, compressed_config, bits, 32)
            spectra("convert", names[0], names[1], "--to", "gptq")
            spectra("convert", names[1], names[2], "--to", "compressed-tensors")
            self.assertEqual(read_safetensors(names[0] / "model.safetensors"), read_safetensors(names[2] / "model.safetensors"))

    def test_what_runs_not_says_what_does(self):
        model = self.directory / "m"
        write_model(model, gptq, gptq_config, 4, 32)
        tensors = read_safetensors(model / "model.safetensors")
        name = "model.layers.1.mlp.up_proj.g_idx"
        order = list(range(HIDDEN))
        random.Random(1).shuffle(order)
        tensors[name] = ("I32", [HIDDEN], words([order[c] // 32 for c in range(HIDDEN)]))
        write_safetensors(model / "model.safetensors", tensors)
        for command in (("bench", model), ("convert", model, self.directory / "c", "--to", "compressed-tensors")):
            self.assert_bad_input(*command, says=["up_proj", "not neighbours", "spectra unpack"])
        self.assert_bad_input("pack", model, "--format", "2bit", "--out", self.directory / "p", says=["quantized to 4 bits"])
        spectra("unpack", model, "--out", self.directory / "u")
        self.assertEqual(spectra_json("inspect", self.directory / "u")["packed_format"], "")
        six = self.directory / "six"
        spectra("init", "--hidden", 64, "--glu", 96, "--heads", 4, "--layers", 1, "--vocab", 64, "--packed", "6bit", "--out", six)
        self.assert_bad_input("convert", six, self.directory / "g", "--to", "gptq", says=["6 bits", "compressed-tensors"], code=2)

    def test_damage(self):
        model = self.directory / "m"
        write_model(model, gptq, gptq_config, 4, 32)
        file = model / "model.safetensors"
        whole, tensors = file.read_bytes(), read_safetensors(file)
        for length in range(0, len(whole), len(whole) // 12):
            file.write_bytes(whole[:length])
            self.assert_bad_input("bench", model, says=["model.safetensors"])
            self.assert_bad_input("unpack", model, "--out", self.directory / "u", says=["model.safetensors"])
        layer = "model.layers.0.mlp.down_proj."
        dtype, shape, scales = tensors[layer + "scales"]
        changes = {"scales": (dtype, shape, struct.pack("<e", math.nan) + scales[2:]), "g_idx": ("I32", [GLU], words([7] * GLU)),
                   "qweight": ("I32", tensors[layer + "qweight"][1][::-1], tensors[layer + "qweight"][2]), "qzeros": None}
        for name, change in changes.items():
            damaged = {n: t for n, t in dict(tensors, **{layer + name: change}).items() if t is not None}
            write_safetensors(file, damaged)
            for command in (("bench", model), ("inspect", model), ("unpack", model, "--out", self.directory / "u")):
                self.assert_bad_input(*command, says=[layer + name])
        rng = random.Random(5)  # whatever the bytes of the header are, it ends in a result or an error
        length = struct.unpack_from("<Q", whole)[0]
        for _ in range(40):
            changed = bytearray(whole)
            for _ in range(3):
                changed[rng.randrange(8 + length)] = rng.randrange(256)
            file.write_bytes(changed)
            self.assertIn(spectra("inspect", model, check=False, errors="replace").returncode, (0, 3))


if __name__ == "__main__":
    main()
