// SPDX-License-Identifier: Apache-2.0
#include "model/slot.h"

#include <algorithm>
#include <cctype>
#include <iterator>

#include "base/error.h"

namespace spectra::model {
namespace {

struct SlotEntry {
  Slot slot;
  Part part;
  Role role;
  const char* name;  ///< in its layer, or in the model
};
constexpr SlotEntry kSlots[] = {{Slot::kEmbedding, Part::kEmbedding, Role::kEmbedding, "model.embed_tokens.weight"},
                                {Slot::kInputNorm, Part::kAttention, Role::kNorm, "input_layernorm.weight"},
                                {Slot::kQLinearNorm, Part::kAttention, Role::kNorm, "self_attn.q_proj.rms_norm.weight"},
                                {Slot::kKLinearNorm, Part::kAttention, Role::kNorm, "self_attn.k_proj.rms_norm.weight"},
                                {Slot::kVLinearNorm, Part::kAttention, Role::kNorm, "self_attn.v_proj.rms_norm.weight"},
                                {Slot::kQ, Part::kAttention, Role::kLinear, "self_attn.q_proj.weight"},
                                {Slot::kK, Part::kAttention, Role::kLinear, "self_attn.k_proj.weight"},
                                {Slot::kV, Part::kAttention, Role::kLinear, "self_attn.v_proj.weight"},
                                {Slot::kQBias, Part::kAttention, Role::kBias, "self_attn.q_proj.bias"},
                                {Slot::kKBias, Part::kAttention, Role::kBias, "self_attn.k_proj.bias"},
                                {Slot::kVBias, Part::kAttention, Role::kBias, "self_attn.v_proj.bias"},
                                {Slot::kQHeadNorm, Part::kAttention, Role::kNorm, "self_attn.q_norm.weight"},
                                {Slot::kKHeadNorm, Part::kAttention, Role::kNorm, "self_attn.k_norm.weight"},
                                {Slot::kAttentionSubNorm, Part::kAttention, Role::kNorm, "self_attn.attn_sub_norm.weight"},
                                {Slot::kOLinearNorm, Part::kAttention, Role::kNorm, "self_attn.o_proj.rms_norm.weight"},
                                {Slot::kO, Part::kAttention, Role::kLinear, "self_attn.o_proj.weight"},
                                {Slot::kPostNorm, Part::kMlp, Role::kNorm, "post_attention_layernorm.weight"},
                                {Slot::kGateLinearNorm, Part::kMlp, Role::kNorm, "mlp.gate_proj.rms_norm.weight"},
                                {Slot::kUpLinearNorm, Part::kMlp, Role::kNorm, "mlp.up_proj.rms_norm.weight"},
                                {Slot::kGate, Part::kMlp, Role::kLinear, "mlp.gate_proj.weight"},
                                {Slot::kUp, Part::kMlp, Role::kLinear, "mlp.up_proj.weight"},
                                {Slot::kMlpSubNorm, Part::kMlp, Role::kNorm, "mlp.ffn_sub_norm.weight"},
                                {Slot::kDownLinearNorm, Part::kMlp, Role::kNorm, "mlp.down_proj.rms_norm.weight"},
                                {Slot::kDown, Part::kMlp, Role::kLinear, "mlp.down_proj.weight"},
                                {Slot::kFinalNorm, Part::kOutput, Role::kNorm, "model.norm.weight"},
                                {Slot::kHead, Part::kOutput, Role::kHead, "lm_head.weight"}};

constexpr bool slots_in_order() {
  for (size_t i = 0; i < std::size(kSlots); ++i)
    if (kSlots[i].slot != static_cast<Slot>(i)) return false;
  return true;
}
static_assert(slots_in_order(), "an entry stands at the number of its slot");

const SlotEntry& slot_entry(Slot slot) { return kSlots[static_cast<size_t>(slot)]; }
bool in_layer(const SlotEntry& e) { return e.part == Part::kAttention || e.part == Part::kMlp; }

bool starts_with(const std::string& text, const std::string& begin) { return text.compare(0, begin.size(), begin) == 0; }
/// `name` is `whole`, or `whole` without its ".weight".
bool is_name(const std::string& name, const std::string& whole) { return name == whole || name + ".weight" == whole; }

}  // namespace

Part part_of(Slot slot) { return slot_entry(slot).part; }
Role role_of(Slot slot) { return slot_entry(slot).role; }

const char* projection_name(Slot slot) {
  switch (slot) {
    case Slot::kQ:
      return "q_proj";
    case Slot::kK:
      return "k_proj";
    case Slot::kV:
      return "v_proj";
    case Slot::kO:
      return "o_proj";
    case Slot::kGate:
      return "gate_proj";
    case Slot::kUp:
      return "up_proj";
    case Slot::kDown:
      return "down_proj";
    default:
      return "";
  }
}

std::string parameter_name(const Place& place) {
  const SlotEntry& e = slot_entry(place.slot);
  SPECTRA_CHECK(in_layer(e) == (place.layer >= 0), "{} in layer {}", e.name, place.layer);
  return in_layer(e) ? fmt::format("model.layers.{}.{}", place.layer, e.name) : e.name;
}

std::optional<Place> place_from_name(const std::string& name) {
  const std::string model = "model.", layers = "layers.";
  const std::string inner = starts_with(name, model) ? name.substr(model.size()) : name;
  int64_t layer = -1;
  std::string rest = name;
  if (starts_with(inner, layers)) {
    const size_t begin = layers.size(), dot = inner.find('.', begin);
    const bool number =
        dot != std::string::npos && dot > begin && dot - begin < 10 &&
        std::all_of(inner.begin() + static_cast<std::ptrdiff_t>(begin), inner.begin() + static_cast<std::ptrdiff_t>(dot),
                    [](unsigned char c) { return std::isdigit(c) != 0; });
    if (!number) return std::nullopt;
    layer = std::stoll(inner.substr(begin, dot - begin));
    rest = inner.substr(dot + 1);
  }
  for (const SlotEntry& e : kSlots)
    if (in_layer(e) == (layer >= 0) && (is_name(rest, e.name) || (layer < 0 && is_name(model + rest, e.name))))
      return Place{layer, e.slot};
  return std::nullopt;
}

std::string module_name(const std::string& parameter) { return parameter.substr(0, parameter.rfind('.')); }

}  // namespace spectra::model
