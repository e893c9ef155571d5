// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include "base/error.h"

namespace spectra::model {

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
  if (config.head_size < 0 || config.head_size > (int64_t{1} << 16))
    throw bad_input(fmt::format("head_dim is {}", config.head_size), "allowed are 2 to 65536");
  if (config.head_size == 0 && config.hidden % config.heads != 0)
    throw bad_input(fmt::format("hidden {} is not divisible by heads {}", config.hidden, config.heads), "change one of the two");
  if (config.heads % config.kv_heads != 0)
    throw bad_input(fmt::format("heads {} is not divisible by kv_heads {}", config.heads, config.kv_heads),
                    "change one of the two");
  if (config.head_dim() % 2 != 0)
    throw bad_input(fmt::format("head size {} (hidden {}, heads {}) is odd", config.head_dim(), config.hidden, config.heads),
                    "rotary embeddings turn pairs: choose an even head size");
  if (config.q_dim() > (int64_t{1} << 28))
    throw bad_input(fmt::format("{} heads of {} values", config.heads, config.head_dim()), "allowed are 268435456 values in all");
  if (config.window < 0 || config.window > (int64_t{1} << 28))
    throw bad_input(fmt::format("window is {}", config.window), "allowed are 1 to 268435456 tokens, or none");
  for (const auto& dimension : {dimensions[0], dimensions[1], dimensions[2], dimensions[3]})
    if (dimension.value % config.shards != 0)
      throw bad_input(fmt::format("{} {} is not divisible by shards {}", dimension.name, dimension.value, config.shards),
                      "every shard gets the same part of each matrix: hidden, glu, heads and kv_heads must be multiples of shards");
  validate(config.rope);
}

}  // namespace spectra::model
