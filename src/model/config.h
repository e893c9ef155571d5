// SPDX-License-Identifier: Apache-2.0
#pragma once
// The architecture as data: a decoder of the Llama family (paper 1.2): pre-norm RMSNorm, a gated MLP, RoPE on the whole head. What
// varies between the models of that family is a member here, so that no walk over a model asks which family it is of.
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "lowbit/packed.h"
#include "model/rope.h"
#include "model/slot.h"

namespace spectra::model {

/// How the linear layers' weights are represented.
enum class Family : uint8_t { kFloat, kTernary, kBinary };
const char* family_name(Family family);  ///< "float", "ternary", "binary"
/// Throws Error naming the three families.
Family family_from_name(const std::string& name);

/// How the inputs of linear layers are rounded, in training too: int8 is absmax/127 of a token, half to even.
enum class ActivationQuantizer : uint8_t { kNone, kInt8 };
const char* activation_quantizer_name(ActivationQuantizer quantizer);  ///< "none", "int8"

/// What the gate goes through: relu2 is max(x, 0)², gelu the exact one (with erf).
enum class Activation : uint8_t { kSilu, kRelu2, kGelu };
const char* activation_name(Activation activation);  ///< as config.json has it: "silu", "relu2", "gelu"

/// An RMSNorm right before each linear layer of the blocks; a plain one has no weights.
enum class LinearNorms : uint8_t { kNone, kPlain, kWeighted };
const char* linear_norms_name(LinearNorms norms);  ///< "none", "plain", "weighted"

struct Config {
  int64_t hidden = 0;     ///< D
  int64_t glu = 0;        ///< F
  int64_t heads = 0;      ///< H
  int64_t kv_heads = 0;   ///< K; equal to heads in every Spectra model
  int64_t layers = 0;     ///< L
  int64_t vocab = 0;      ///< V, padded: rows of the embedding and of the head
  int64_t head_size = 0;  ///< E where it is not hidden / heads, else 0; read it by head_dim()
  int64_t max_position = 2048;
  Rope rope;
  float norm_eps = 1e-5f;
  bool tied = false;         ///< the head is the embedding
  int32_t bos = 0, eos = 0;  ///< -1 = none
  int64_t shards = 1;        ///< `pretraining_model_parallel`: scales per matrix
  int64_t window = 0;        ///< a token sees so many keys, its own included; 0 = all before it
  bool qkv_bias = false;     ///< q, k and v have biases
  bool head_norms = false;   ///< an RMSNorm over each head of q and k, before RoPE; weights (E), the same for all heads of a layer
  bool sub_norms = false;    ///< an RMSNorm before o, over all heads, and one before down
  LinearNorms linear_norms = LinearNorms::kNone;
  Activation activation = Activation::kSilu;
  Family family = Family::kFloat;  ///< of the weights of linear layers
  ActivationQuantizer activations = ActivationQuantizer::kNone;

  int64_t head_dim() const { return head_size != 0 ? head_size : hidden / heads; }
  int64_t q_dim() const { return heads * head_dim(); }
  int64_t kv_dim() const { return kv_heads * head_dim(); }
  int64_t qkv_dim() const { return q_dim() + 2 * kv_dim(); }
};

/// Short names for what goes together: float, ternary, binary (of the weights), bitnet (ternary weights, int8 activations, plain
/// norms before linear layers) and bitnet-2b4t (the same with sub-norms and squared ReLU instead). Throws Error listing them.
void apply_family(Config& config, const std::string& name);
/// The name of the family that `config` is of; where its parts make none, that of its weights.
const char* family_name(const Config& config);

/// Reads config.json with the keys of LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM, BitNetForCausalLM,
/// or Spectra's own (docs/formats.md). The family is the key `spectra_family`; absent = float. `where`: the file, for messages.
/// Throws Error for another architecture, odd values, and a key that would change what is computed and is not understood.
Config config_from_json(const std::string& json, const std::string& where);
/// The config.json that transformers reads, of the first of these classes that computes the same, else SpectraForCausalLM. `dtype`:
/// "float16" or "float32". `packed_format`: "" = unpacked, else it is written as quantization_config {quant_method: "spectra",
/// format, shard_axis}; `axes`: matrices that differ from training's axes, by full name (foreign models).
std::string config_to_json(const Config& config, const std::string& dtype, const std::string& packed_format = "",
                           const std::map<std::string, lowbit::ShardAxis>& axes = {});
/// "" unless config.json has a quantization_config with quant_method "spectra": then its `format`.
std::string packed_format_from_json(const std::string& json);

/// Of the heads of a model: see rope.h.
RopeFrequencies rope_frequencies(const Config& config);

/// Throws Error unless dimensions fit together: hidden % heads == 0 where head_size is not given, heads % kv_heads == 0, even
/// head_dim, and, for shards > 1, hidden, glu, heads and kv_heads divisible by shards (q, k, v, gate, up are cut by rows, o and
/// down by columns).
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

/// Along which axis model-parallel shards cut a linear weight (out, in): q, k, v, gate, up by rows, o and down by columns.
using lowbit::ShardAxis;

struct Parameter {
  std::string name;  ///< Hugging Face name: "model.layers.3.self_attn.q_proj.weight"
  Role role;
  ShardAxis axis;        ///< meaningful for kLinear
  int64_t rows, cols;    ///< (out, in); a norm or a bias of n values is (1, n)
  bool residual_output;  ///< o_proj and down_proj: their output is added to the residual stream
  int64_t layer = -1;    ///< -1 outside of layers
  Slot slot = Slot::kEmbedding;

  /// norms and biases: one-dimensional in a file, never rounded
  bool vector() const { return role == Role::kNorm || role == Role::kBias; }
};
/// All parameters that the config has, in file order: embedding, layers (slots as they are declared), final norm, head.
std::vector<Parameter> parameters(const Config& config);
/// Shape of its tensor in a file: (rows, cols), for a norm or a bias (n).
std::vector<int64_t> tensor_shape(const Parameter& parameter);
/// Shard boundaries along the parameter's axis: shards + 1 ascending numbers from 0 to rows or cols.
std::vector<int64_t> shard_bounds(const Parameter& parameter, int64_t shards);

struct ParameterCount {
  int64_t linear, embedding_and_head, norms;  ///< norms: biases too
  int64_t total() const { return linear + embedding_and_head + norms; }
};
ParameterCount count_parameters(const Config& config);

/// Size in bits as the paper counts it (section 1.8 of the facts; its Table 4): 16 bits for embedding and head at vocabulary
/// 50304, `bits_per_weight` for the linears, norms ignored. `vocab` = 0 uses 50304.
double size_in_bits(const Config& config, double bits_per_weight, int64_t vocab = 0);

}  // namespace spectra::model
