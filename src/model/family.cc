// SPDX-License-Identifier: Apache-2.0
// Names of the parts that vary, and of what goes together.
#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "model/config.h"

namespace spectra::model {
namespace {

struct Preset {
  const char* name;
  Family weights;
  ActivationQuantizer activations;
  LinearNorms linear_norms;
  bool sub_norms;
  Activation activation;
};
constexpr Preset kBitnets[] = {
    {"bitnet", Family::kTernary, ActivationQuantizer::kInt8, LinearNorms::kPlain, false, Activation::kSilu},
    {"bitnet-2b4t", Family::kTernary, ActivationQuantizer::kInt8, LinearNorms::kNone, true, Activation::kRelu2}};

}  // namespace

const char* family_name(Family family) {
  static constexpr const char* kNames[] = {"float", "ternary", "binary"};
  return kNames[static_cast<size_t>(family)];
}

Family family_from_name(const std::string& name) {
  for (const Family family : {Family::kFloat, Family::kTernary, Family::kBinary})
    if (name == family_name(family)) return family;
  throw bad_input(fmt::format("unknown family \"{}\"", name), "the families are float, ternary and binary");
}

const char* activation_quantizer_name(ActivationQuantizer quantizer) {
  return quantizer == ActivationQuantizer::kNone ? "none" : "int8";
}

const char* activation_name(Activation activation) {
  static constexpr const char* kNames[] = {"silu", "relu2", "gelu"};
  return kNames[static_cast<size_t>(activation)];
}

const char* linear_norms_name(LinearNorms norms) {
  static constexpr const char* kNames[] = {"none", "plain", "weighted"};
  return kNames[static_cast<size_t>(norms)];
}

void apply_family(Config& config, const std::string& name) {
  const auto preset = std::find_if(std::begin(kBitnets), std::end(kBitnets), [&](const Preset& p) { return name == p.name; });
  if (preset == std::end(kBitnets)) {
    config.family = family_from_name(name);
    return;
  }
  config.family = preset->weights;
  config.activations = preset->activations;
  config.linear_norms = preset->linear_norms;
  config.sub_norms = preset->sub_norms;
  config.activation = preset->activation;
}

const char* family_name(const Config& c) {
  for (const Preset& p : kBitnets)
    if (c.family == p.weights && c.activations == p.activations && c.linear_norms == p.linear_norms && c.sub_norms == p.sub_norms &&
        c.activation == p.activation)
      return p.name;
  return family_name(c.family);
}

}  // namespace spectra::model
