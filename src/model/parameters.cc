// SPDX-License-Identifier: Apache-2.0
// Names, shapes and roles of every parameter, and how shards cut them.
#include "base/error.h"
#include "model/config.h"

namespace spectra::model {

std::vector<Parameter> parameters(const Config& config) {
  const int64_t d = config.hidden, f = config.glu, kv = config.kv_dim();
  std::vector<Parameter> list;
  const auto norm = [&](const std::string& name) { list.push_back({name, Role::kNorm, ShardAxis::kRows, 1, d, false}); };
  // q, k, v, gate and up are cut along their outputs, o and down along their inputs: Megatron's column- and row-parallel layers.
  const auto linear = [&](const std::string& name, int64_t rows, int64_t cols) {
    list.push_back({name, Role::kLinear, ShardAxis::kRows, rows, cols, false});
  };
  const auto output = [&](const std::string& name, int64_t rows, int64_t cols) {
    list.push_back({name, Role::kLinear, ShardAxis::kColumns, rows, cols, true});
  };
  list.push_back({"model.embed_tokens.weight", Role::kEmbedding, ShardAxis::kRows, config.vocab, d, false});
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    norm(prefix + "input_layernorm.weight");
    linear(prefix + "self_attn.q_proj.weight", d, d);
    linear(prefix + "self_attn.k_proj.weight", kv, d);
    linear(prefix + "self_attn.v_proj.weight", kv, d);
    output(prefix + "self_attn.o_proj.weight", d, d);
    norm(prefix + "post_attention_layernorm.weight");
    linear(prefix + "mlp.gate_proj.weight", f, d);
    linear(prefix + "mlp.up_proj.weight", f, d);
    output(prefix + "mlp.down_proj.weight", d, f);
  }
  norm("model.norm.weight");
  if (!config.tied) list.push_back({"lm_head.weight", Role::kHead, ShardAxis::kRows, config.vocab, d, false});
  return list;
}

std::vector<int64_t> tensor_shape(const Parameter& parameter) {
  if (parameter.role == Role::kNorm) return {parameter.cols};
  return {parameter.rows, parameter.cols};
}

std::vector<int64_t> shard_bounds(const Parameter& parameter, int64_t shards) {
  const int64_t extent = parameter.axis == ShardAxis::kRows ? parameter.rows : parameter.cols;
  SPECTRA_CHECK(shards > 0 && extent % shards == 0, "{}: {} in {} shards", parameter.name, extent, shards);
  std::vector<int64_t> bounds;
  for (int64_t s = 0; s <= shards; ++s) bounds.push_back(s * (extent / shards));
  return bounds;
}

ParameterCount count_parameters(const Config& config) {
  ParameterCount count{0, 0, 0};
  for (const Parameter& parameter : parameters(config)) {
    const int64_t elements = parameter.rows * parameter.cols;
    switch (parameter.role) {
      case Role::kLinear:
        count.linear += elements;
        break;
      case Role::kNorm:
        count.norms += elements;
        break;
      case Role::kEmbedding:
      case Role::kHead:
        count.embedding_and_head += elements;
        break;
    }
  }
  return count;
}

}  // namespace spectra::model
