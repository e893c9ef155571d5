// SPDX-License-Identifier: Apache-2.0
// The nine sizes of the Spectra suite and how the paper counts them.
#include <array>

#include "base/error.h"
#include "model/config.h"

namespace spectra::model {
namespace {

// README of the suite; vocabulary: 50277 tokenizer entries rounded up to 128 * shards.
constexpr std::array<Size, 9> kSizes = {{{"99M", 512, 1280, 8, 16, 1, 50304},
                                         {"190M", 768, 2048, 12, 16, 1, 50304},
                                         {"390M", 1024, 2560, 16, 24, 1, 50304},
                                         {"560M", 1280, 3072, 20, 24, 1, 50304},
                                         {"830M", 1536, 4096, 24, 24, 1, 50304},
                                         {"1.1B", 1792, 5120, 28, 24, 2, 50432},
                                         {"1.5B", 2048, 6144, 32, 24, 2, 50432},
                                         {"2.4B", 2304, 7680, 36, 30, 3, 50304},
                                         {"3.9B", 3072, 9216, 24, 30, 6, 50688}}};
constexpr int64_t kPaperVocab = 50304;  // the paper counts every size with it, whatever was released

}  // namespace

std::span<const Size> spectra_sizes() { return kSizes; }

const Size& size_from_name(const std::string& name) {
  std::string names;
  for (const Size& size : kSizes) {
    if (name == size.name) return size;
    names += names.empty() ? size.name : std::string(", ") + size.name;
  }
  throw bad_input(fmt::format("unknown size \"{}\"", name), "the sizes are " + names + "; or give hidden, glu, heads and layers");
}

Config config_of_size(const Size& size, Family family) {
  Config config;
  config.hidden = size.hidden;
  config.glu = size.glu;
  config.heads = config.kv_heads = size.heads;
  config.layers = size.layers;
  config.vocab = size.vocab;
  config.shards = size.shards;
  config.family = family;
  return config;
}

int64_t padded_vocab(int64_t entries, int64_t shards) {
  const int64_t multiple = 128 * shards;
  return (entries + multiple - 1) / multiple * multiple;
}

double size_in_bits(const Config& config, double bits_per_weight, int64_t vocab) {
  Config counted = config;
  counted.vocab = vocab == 0 ? kPaperVocab : vocab;
  const ParameterCount count = count_parameters(counted);
  return 16.0 * static_cast<double>(count.embedding_and_head) + bits_per_weight * static_cast<double>(count.linear);
}

}  // namespace spectra::model
