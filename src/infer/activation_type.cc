// SPDX-License-Identifier: Apache-2.0
#include "infer/activation_type.h"

#include "base/error.h"

namespace spectra::infer {

const char* activations_name(ActivationType type) {
  switch (type) {
    case ActivationType::kFp32:
      return "fp32";
    case ActivationType::kBf16:
      return "bf16";
    case ActivationType::kInt8:
      return "int8";
  }
  return "?";
}

ActivationType activations_from_name(const std::string& name) {
  for (const ActivationType type : {ActivationType::kFp32, ActivationType::kBf16, ActivationType::kInt8})
    if (name == activations_name(type)) return type;
  throw Error(Exit::kUsage, fmt::format("--activations {} is unknown", name), "allowed: fp32, bf16, int8");
}

}  // namespace spectra::infer
