// SPDX-License-Identifier: Apache-2.0
#include "model/hf_class.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

namespace spectra::model {
namespace {

constexpr std::array<HfClass, 5> kHfClasses = {
    {{"LlamaForCausalLM", "llama", false, false, false, WindowKeys::kNone, Activation::kSilu, 0, 0, 1e-6, 10000, 2048},
     {"MistralForCausalLM", "mistral", false, false, false, WindowKeys::kAlways, Activation::kSilu, 4096, 0, 1e-6, 10000, 131072},
     {"Qwen2ForCausalLM", "qwen2", true, false, false, WindowKeys::kSwitch, Activation::kSilu, 4096, 0, 1e-6, 10000, 32768},
     {"Qwen3ForCausalLM", "qwen3", false, true, false, WindowKeys::kSwitch, Activation::kSilu, 4096, 128, 1e-6, 10000, 32768},
     {"BitNetForCausalLM", "bitnet", false, false, true, WindowKeys::kNone, Activation::kRelu2, 0, 0, 1e-5, 500000, 2048}}};

std::vector<const HfClass*> all_hf_classes() {
  std::vector<const HfClass*> all;
  for (const HfClass& one : kHfClasses) all.push_back(&one);
  all.push_back(&kSpectraClass);
  return all;
}

std::string supported_classes() {
  std::string names;
  for (const HfClass* one : all_hf_classes()) names += (names.empty() ? "" : ", ") + std::string(one->architecture);
  return "spectra runs models of the Llama family as these classes of transformers describe them: " + names;
}

bool computes_same(const HfClass& c, const Config& config) {
  return c.qkv_bias == config.qkv_bias && c.head_norms == config.head_norms && c.sub_norms == config.sub_norms &&
         (config.window == 0 || c.window != WindowKeys::kNone);
}

}  // namespace

const HfClass kSpectraClass = {"SpectraForCausalLM", "spectra", false, false, false, WindowKeys::kAlways,
                               Activation::kSilu,    0,         0,     1e-6,  10000, 2048};

const HfClass& hf_class_of(const ConfigReader& read) {
  const nlohmann::json* architectures = read.find("architectures");
  const nlohmann::json* type = read.find("model_type");
  const std::string architecture =
      architectures != nullptr && architectures->is_array() && architectures->size() == 1 && architectures->front().is_string()
          ? architectures->front().get<std::string>()
          : "";
  for (const HfClass* one : all_hf_classes()) {
    if (type != nullptr ? *type != one->model_type : architecture != one->architecture) continue;
    // A BitnetForCausalLM may call itself "llama" and yet have sub-norms.
    if (!architecture.empty() && architecture != one->architecture)
      throw read.refuse("architectures", *architectures, supported_classes());
    return *one;
  }
  if (type != nullptr) throw read.refuse("model_type", *type, supported_classes());
  throw bad_input(read.where() + ": neither model_type nor architectures says that this is a model of the Llama family",
                  supported_classes());
}

const HfClass& hf_class_for(const Config& config) {
  if (config.linear_norms != LinearNorms::kNone || config.activations != ActivationQuantizer::kNone) return kSpectraClass;
  const auto found = std::find_if(kHfClasses.begin(), kHfClasses.end(), [&](const HfClass& c) { return computes_same(c, config); });
  return found == kHfClasses.end() ? kSpectraClass : *found;
}

}  // namespace spectra::model
