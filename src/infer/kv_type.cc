// SPDX-License-Identifier: Apache-2.0
#include "infer/kv_type.h"

#include "base/error.h"

namespace spectra::infer {

const char* kv_type_name(KvType type) {
  switch (type) {
    case KvType::kFp32:
      return "fp32";
    case KvType::kFp16:
      return "fp16";
    case KvType::kInt8:
      return "int8";
  }
  return "?";
}

KvType kv_type_from_name(const std::string& name) {
  for (const KvType type : {KvType::kFp32, KvType::kFp16, KvType::kInt8})
    if (name == kv_type_name(type)) return type;
  throw Error(Exit::kUsage, fmt::format("--kv {} is unknown", name), "allowed: fp32, fp16, int8");
}

KvType default_kv_type(ActivationType activations) { return activations == ActivationType::kFp32 ? KvType::kFp32 : KvType::kFp16; }

}  // namespace spectra::infer
