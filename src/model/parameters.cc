// SPDX-License-Identifier: Apache-2.0
// Names, shapes and roles of every parameter, and how shards cut them.
#include "base/error.h"
#include "model/config.h"

namespace spectra::model {
namespace {

/// (out, in) of a slot; (1, n) of a norm or a bias.
std::pair<int64_t, int64_t> slot_shape(Slot slot, const Config& c) {
  const int64_t d = c.hidden, f = c.glu, q = c.q_dim(), kv = c.kv_dim();
  switch (slot) {
    case Slot::kEmbedding:
    case Slot::kHead:
      return {c.vocab, d};
    case Slot::kQ:
      return {q, d};
    case Slot::kK:
    case Slot::kV:
      return {kv, d};
    case Slot::kO:
      return {d, q};
    case Slot::kGate:
    case Slot::kUp:
      return {f, d};
    case Slot::kDown:
      return {d, f};
    case Slot::kQBias:
    case Slot::kAttentionSubNorm:
    case Slot::kOLinearNorm:
      return {1, q};
    case Slot::kKBias:
    case Slot::kVBias:
      return {1, kv};
    case Slot::kQHeadNorm:
    case Slot::kKHeadNorm:
      return {1, c.head_dim()};
    case Slot::kMlpSubNorm:
    case Slot::kDownLinearNorm:
      return {1, f};
    default:
      return {1, d};
  }
}

/// Whether a model of this config has parameters in the slot.
bool has_slot(Slot slot, const Config& c) {
  switch (slot) {
    case Slot::kQLinearNorm:
    case Slot::kKLinearNorm:
    case Slot::kVLinearNorm:
    case Slot::kOLinearNorm:
    case Slot::kGateLinearNorm:
    case Slot::kUpLinearNorm:
    case Slot::kDownLinearNorm:
      return c.linear_norms == LinearNorms::kWeighted;
    case Slot::kQBias:
    case Slot::kKBias:
    case Slot::kVBias:
      return c.qkv_bias;
    case Slot::kQHeadNorm:
    case Slot::kKHeadNorm:
      return c.head_norms;
    case Slot::kAttentionSubNorm:
    case Slot::kMlpSubNorm:
      return c.sub_norms;
    case Slot::kHead:
      return !c.tied;
    default:
      return true;
  }
}

Parameter make_parameter(const Place& place, const Config& config) {
  const auto [rows, cols] = slot_shape(place.slot, config);
  // q, k, v, gate and up are cut along their outputs, o and down along their inputs: Megatron's column- and row-parallel layers.
  const bool output = place.slot == Slot::kO || place.slot == Slot::kDown;
  return {parameter_name(place), role_of(place.slot), output ? ShardAxis::kColumns : ShardAxis::kRows, rows, cols, output,
          place.layer,           place.slot};
}

}  // namespace

std::vector<Parameter> parameters(const Config& config) {
  std::vector<Parameter> list = {make_parameter({-1, Slot::kEmbedding}, config)};
  const auto first = static_cast<int>(Slot::kInputNorm), last = static_cast<int>(Slot::kDown);
  for (int64_t layer = 0; layer < config.layers; ++layer)
    for (int slot = first; slot <= last; ++slot)
      if (has_slot(static_cast<Slot>(slot), config)) list.push_back(make_parameter({layer, static_cast<Slot>(slot)}, config));
  for (const Slot slot : {Slot::kFinalNorm, Slot::kHead})
    if (has_slot(slot, config)) list.push_back(make_parameter({-1, slot}, config));
  return list;
}

std::vector<int64_t> tensor_shape(const Parameter& parameter) {
  if (parameter.vector()) return {parameter.cols};
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
      case Role::kBias:
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
