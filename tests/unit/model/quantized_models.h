// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small models for tests of quantized directories.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "base/rng.h"
#include "format/model_directory.h"
#include "model/quantized_writer.h"
#include "test_data.h"

namespace spectra::test {

/// Every code occurs; the scales are fp16 numbers.
inline lowbit::QuantizedMatrix random_quantized(int64_t rows, int64_t cols, int bits, int64_t group_size, uint64_t seed) {
  Rng rng(seed, 5);
  lowbit::QuantizedMatrix m;
  m.rows = rows, m.cols = cols, m.bits = bits, m.group_size = group_size == 0 ? cols : group_size;
  for (int64_t i = 0; i < rows * cols; ++i)
    m.codes.push_back(static_cast<int8_t>(static_cast<int>(rng.below(uint64_t{1} << bits)) - (1 << (bits - 1))));
  for (int64_t i = 0; i < rows * m.groups(); ++i)
    m.scales.push_back(round_to_fp16(static_cast<float>(0.001 + 0.02 * rng.uniform())));
  return m;
}

inline void expect_same(const lowbit::QuantizedMatrix& a, const lowbit::QuantizedMatrix& b) {
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.cols, b.cols);
  EXPECT_EQ(a.bits, b.bits);
  EXPECT_EQ(a.group_size, b.group_size);
  EXPECT_EQ(a.codes, b.codes);
  EXPECT_EQ(a.scales, b.scales);
}

/// `glu`: 90 is no multiple of a word, of a group or of a tile.
inline model::Config quantized_config_of(int64_t glu) {
  model::Config config;
  config.hidden = 64, config.glu = glu, config.heads = 4, config.kv_heads = 2, config.layers = 2, config.vocab = 33;
  config.max_position = 64;
  return config;
}

/// A matrix for every linear parameter, by name.
using Matrices = std::map<std::string, lowbit::QuantizedMatrix>;
inline Matrices random_matrices(const model::Config& config, int bits, int64_t group_size) {
  Matrices matrices;
  uint64_t seed = 0;
  for (const model::Parameter& p : model::parameters(config))
    if (p.role == model::Role::kLinear) matrices[p.name] = random_quantized(p.rows, p.cols, bits, group_size, ++seed);
  return matrices;
}
inline model::QuantizedSource source_of(const Matrices& matrices) {
  return [&matrices](const std::string& name) { return matrices.at(name); };
}

/// A float model with a tensor that the architecture does not know.
inline void write_float_model(const fs::path& path, const model::Config& config) {
  fs::create_directory(path);
  std::vector<format::SafetensorsWriter::Entry> entries;
  for (const model::Parameter& p : model::parameters(config)) entries.push_back({p.name, DType::kF16, model::tensor_shape(p)});
  entries.push_back({"model.rotary.inv_freq", DType::kF32, {3}});
  format::SafetensorsWriter writer(path / "model.safetensors", entries);
  Rng rng(11);
  for (const model::Parameter& p : model::parameters(config))
    for (int64_t i = 0; i < p.rows * p.cols; ++i) {
      const fp16 value = to_fp16(static_cast<float>(p.role == model::Role::kNorm ? 1 + rng.uniform() : rng.uniform() - 0.5));
      writer.write(&value, sizeof(value));
    }
  const float frequencies[3] = {1.0f, 0.5f, 0.25f};
  writer.write(frequencies, sizeof(frequencies));
  writer.close();
  write_file(path / "config.json", model::config_to_json(config, "float16"));
  write_file(path / "tokenizer.json", "{}");
  format::Provenance provenance;
  provenance.family = "float";
  provenance.step = 7;
  format::write_provenance(path, provenance);
}

/// What the error says and suggests, or "accepted".
inline std::string refusal(const std::function<void()>& action, Exit code = Exit::kBadInput) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return std::string(error.what()) + " | " + error.hint();
  }
  return "accepted";
}

}  // namespace spectra::test
