// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads a llama2.c checkpoint (version 0) and writes it as a Hugging Face model directory. Little endian:
//
//   int32 x 7    D, F, L, H, K, V, context. V > 0: the head is the embedding; V < 0: |V| rows, with a head of their own
//   float32      embedding (V, D); then, each for all layers: attention norm (D), wq (D, D), wk (K E, D), wv (K E, D), wo (D, D),
//   ffn norm (D),
//                w1 = gate (F, D), w2 = down (D, F), w3 = up (F, D); then final norm (D), cos and sin tables (context, E/2) each,
//                unused; then the head (V, D) where it is not the embedding.
//
// RoPE turns adjacent pairs (2i, 2i+1) there and pairs (i, i + E/2) in Hugging Face models: rows of q and k are reordered. theta is
// 10000, the norm's epsilon 1e-5.
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "model/config.h"

namespace spectra::model {

struct Llama2c {
  Config config;
  std::map<std::string, size_t>
      offsets;  ///< byte offset of each parameter (Hugging Face name) in the file, its rows in llama2.c's order
};
/// Checks `bytes` as a whole file. Throws Error (exit 3) where the header makes no sense or the size is not the one it implies.
Llama2c parse_llama2c(std::span<const std::byte> bytes, const std::string& where);

/// Writes model directory `out` (fp32, bitwise the values of the file) with the tokenizer of `tokenizer` (llama2.c's tok*.bin, or a
/// tokenizer.json or a directory with one). Throws Error (exit 3) where they do not fit together or `out` exists; nothing
/// half-written remains.
void convert_llama2c(const fs::path& checkpoint, const fs::path& tokenizer, const fs::path& out);

}  // namespace spectra::model
