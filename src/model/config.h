// SPDX-License-Identifier: Apache-2.0
#pragma once
// The architecture as data: a Llama-style decoder (paper 1.2): pre-norm RMSNorm, SwiGLU, RoPE on the whole head,
// no biases. GQA (kv_heads < heads) and tied embeddings are read too.
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "lowbit/packed.h"

namespace spectra::model {

/// How the linear layers' weights are represented.
enum class Family : uint8_t { kFloat, kTernary, kBinary };
const char* family_name(Family family);  ///< "float", "ternary", "binary"
/// Throws Error naming the three families.
Family family_from_name(const std::string& name);

struct Config {
  int64_t hidden = 0;    ///< D
  int64_t glu = 0;       ///< F
  int64_t heads = 0;     ///< H
  int64_t kv_heads = 0;  ///< K; equal to heads in every Spectra model
  int64_t layers = 0;    ///< L
  int64_t vocab = 0;     ///< V, padded: rows of the embedding and of the head
  int64_t max_position = 2048;
  float rope_theta = 10000.0f;
  float norm_eps = 1e-5f;
  bool tied = false;         ///< the head is the embedding
  int32_t bos = 0, eos = 0;  ///< -1 = none
  int64_t shards = 1;        ///< `pretraining_model_parallel`: scales per matrix
  Family family = Family::kFloat;

  int64_t head_dim() const { return hidden / heads; }
  int64_t kv_dim() const { return kv_heads * head_dim(); }
};

/// Reads config.json (LlamaForCausalLM keys; rope_theta also inside rope_parameters). The family is Spectra's own key
/// `spectra_family`; absent = float. `where`: the file, for messages. Throws Error for another architecture or odd values.
Config config_from_json(const std::string& json, const std::string& where);
/// The config.json that transformers reads. `dtype`: "float16" or "float32". `packed_format`: "" = unpacked, else it is
/// written as quantization_config {quant_method: "spectra", format, shard_axis}; `axes`: matrices that differ from training's
/// axes, by full name (foreign models).
std::string config_to_json(const Config& config, const std::string& dtype, const std::string& packed_format = "",
                           const std::map<std::string, lowbit::ShardAxis>& axes = {});
/// "" unless config.json has a quantization_config with quant_method "spectra": then its `format`.
std::string packed_format_from_json(const std::string& json);

/// Throws Error unless dimensions fit together: hidden % heads == 0, heads % kv_heads == 0, even head_dim, and, for
/// shards > 1, hidden, glu, heads and kv_heads divisible by shards (q, k, v, gate, up are cut by rows, o and down by columns).
void validate(const Config& config);

/// A row of the paper's size table.
struct Size {
  const char* name;  ///< "99M" ... "3.9B"
  int64_t hidden, glu, heads, layers, shards;
  int64_t vocab;  ///< padded vocabulary of the released model: a multiple of 128 * shards
};
std::span<const Size> spectra_sizes();
/// Throws Error listing the nine names.
const Size& size_from_name(const std::string& name);
Config config_of_size(const Size& size, Family family);
/// Rows of embedding and head for a tokenizer with `entries` tokens: rounded up to a multiple of 128 * shards.
int64_t padded_vocab(int64_t entries, int64_t shards);

/// What a parameter is, which decides how it is initialized, decayed, quantized and packed.
enum class Role : uint8_t { kEmbedding, kHead, kNorm, kLinear };
/// Along which axis model-parallel shards cut a linear weight (out, in): q, k, v, gate, up by rows, o and down by columns.
using lowbit::ShardAxis;

struct Parameter {
  std::string name;  ///< Hugging Face name: "model.layers.3.self_attn.q_proj.weight"
  Role role;
  ShardAxis axis;        ///< meaningful for kLinear
  int64_t rows, cols;    ///< (out, in); a norm is (1, D)
  bool residual_output;  ///< o_proj and down_proj: their output is added to the residual stream
};
/// All parameters in file order: embedding, layers (input norm, q, k, v, o, post-attention norm, gate, up, down), final norm, head.
std::vector<Parameter> parameters(const Config& config);
/// Shape of its tensor in a file: (rows, cols), for a norm (D).
std::vector<int64_t> tensor_shape(const Parameter& parameter);
/// Shard boundaries along the parameter's axis: shards + 1 ascending numbers from 0 to rows or cols.
std::vector<int64_t> shard_bounds(const Parameter& parameter, int64_t shards);

struct ParameterCount {
  int64_t linear, embedding_and_head, norms;
  int64_t total() const { return linear + embedding_and_head + norms; }
};
ParameterCount count_parameters(const Config& config);

/// Size in bits as the paper counts it (section 1.8 of the facts; its Table 4): 16 bits for embedding and head at vocabulary
/// 50304, `bits_per_weight` for the linears, norms ignored. `vocab` = 0 uses 50304.
double size_in_bits(const Config& config, double bits_per_weight, int64_t vocab = 0);

}  // namespace spectra::model
