// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include "base/error.h"

namespace spectra::model {

const char* family_name(Family family) {
  switch (family) {
    case Family::kFloat:
      return "float";
    case Family::kTernary:
      return "ternary";
    case Family::kBinary:
      return "binary";
  }
  return "?";
}

Family family_from_name(const std::string& name) {
  for (const Family family : {Family::kFloat, Family::kTernary, Family::kBinary})
    if (name == family_name(family)) return family;
  throw bad_input(fmt::format("unknown family \"{}\"", name), "the families are float, ternary and binary");
}

void validate(const Config& config) {
  const struct {
    const char* name;
    int64_t value;
  } dimensions[] = {
      {"hidden", config.hidden}, {"glu", config.glu},     {"heads", config.heads},   {"kv_heads", config.kv_heads},
      {"layers", config.layers}, {"vocab", config.vocab}, {"shards", config.shards}, {"max_position", config.max_position}};
  for (const auto& dimension : dimensions)
    if (dimension.value < 1 || dimension.value > (int64_t{1} << 28))
      throw bad_input(fmt::format("{} is {}", dimension.name, dimension.value), "allowed are 1 to 268435456");
  if (config.hidden % config.heads != 0)
    throw bad_input(fmt::format("hidden {} is not divisible by heads {}", config.hidden, config.heads), "change one of the two");
  if (config.heads % config.kv_heads != 0)
    throw bad_input(fmt::format("heads {} is not divisible by kv_heads {}", config.heads, config.kv_heads),
                    "change one of the two");
  if (config.head_dim() % 2 != 0)
    throw bad_input(fmt::format("head size {} (hidden {} / heads {}) is odd", config.head_dim(), config.hidden, config.heads),
                    "rotary embeddings turn pairs: choose an even head size");
  for (const auto& dimension : {dimensions[0], dimensions[1], dimensions[2], dimensions[3]})
    if (dimension.value % config.shards != 0)
      throw bad_input(fmt::format("{} {} is not divisible by shards {}", dimension.name, dimension.value, config.shards),
                      "every shard gets the same part of each matrix: hidden, glu, heads and kv_heads must be multiples of shards");
}

}  // namespace spectra::model
