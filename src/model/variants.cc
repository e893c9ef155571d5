// SPDX-License-Identifier: Apache-2.0
#include "model/variants.h"

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace spectra::model {
namespace {

/// How config.json says that a variant is there; "" where it is not.
std::string variant_text(Variant variant, const Config& c) {
  switch (variant) {
    case Variant::kHeadDim:
      return c.q_dim() == c.hidden ? "" : fmt::format("head_dim is {} (not hidden {} / heads {})", c.head_dim(), c.hidden, c.heads);
    case Variant::kQkvBias:
      return c.qkv_bias ? "q, k and v have biases" : "";
    case Variant::kActivation:
      return c.activation == Activation::kSilu ? "" : fmt::format("hidden_act is \"{}\"", activation_name(c.activation));
    case Variant::kSubNorms:
      return c.sub_norms ? "there are norms before o and down" : "";
    case Variant::kLinearNorms:
      return c.linear_norms == LinearNorms::kNone ? "" : fmt::format("linear_norms is \"{}\"", linear_norms_name(c.linear_norms));
    case Variant::kHeadNorms:
      return c.head_norms ? "there are norms over the heads of q and k" : "";
    case Variant::kRopeScaling:
      return c.rope.scaling == RopeScaling::kDefault ? ""
                                                     : fmt::format("rope_scaling is \"{}\"", rope_scaling_name(c.rope.scaling));
    case Variant::kWindow:
      return c.window == 0 ? "" : fmt::format("sliding_window is {}", c.window);
    case Variant::kActivationQuantizer:
      return c.activations == ActivationQuantizer::kNone
                 ? ""
                 : fmt::format("activation_quantizer is \"{}\"", activation_quantizer_name(c.activations));
  }
  return "";
}

}  // namespace

void require_supported(const Config& config, const std::string& what, std::initializer_list<Variant> supported) {
  std::vector<std::string> found;
  for (int v = 0; v <= static_cast<int>(Variant::kActivationQuantizer); ++v) {
    const auto variant = static_cast<Variant>(v);
    if (std::find(supported.begin(), supported.end(), variant) != supported.end()) continue;
    if (const std::string text = variant_text(variant, config); !text.empty()) found.push_back(text);
  }
  if (found.empty()) return;
  throw bad_input(fmt::format("{} does not know such a model: {}", what, fmt::join(found, "; ")),
                  "`spectra inspect` shows what a model has");
}

}  // namespace spectra::model
