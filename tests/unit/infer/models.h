// SPDX-License-Identifier: Apache-2.0
#pragma once
// Random models for the tests, written as directories both ways: unpacked, and packed from the very same codes.
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/half.h"
#include "base/rng.h"
#include "format/safetensors.h"
#include "infer/engine.h"
#include "lowbit/packed.h"
#include "model/config.h"
#include "model/packed_tensors.h"
#include "test_data.h"

namespace spectra::test {

struct RandomModel {
  model::Config config;
  std::map<std::string, std::vector<float>> values;  // every parameter, unpacked
  std::map<std::string, lowbit::Codes> codes;        // of linear parameters, by parameter name
};

inline model::Config small_config(model::Family family) {
  model::Config c;
  c.hidden = 96;
  c.glu = 222;  // no multiple of 16, 64 or 80
  c.heads = 6;
  c.kv_heads = 3;
  c.layers = 3;
  c.vocab = 150;
  c.max_position = 64;
  c.family = family;
  return c;
}

/// `shards` scales a matrix, 0 = float weights; at random boundaries, or in equal parts as training cuts them.
inline RandomModel random_model(const model::Config& config, int64_t shards, uint64_t seed, bool equal_parts = false) {
  RandomModel m{config, {}, {}};
  uint64_t stream = 0;
  for (const model::Parameter& p : model::parameters(config)) {
    Rng rng(seed, ++stream);
    std::vector<float>& w = m.values[p.name];
    w.resize(static_cast<size_t>(p.rows * p.cols));
    if (p.role != model::Role::kLinear || shards == 0) {
      const double mean = p.role == model::Role::kNorm ? 1 : 0, deviation = p.role == model::Role::kLinear ? 0.1 : 0.3;
      for (size_t i = 0; i < w.size(); ++i) w[i] = round_to_fp16(static_cast<float>(mean + deviation * rng.normal_at(i)));
      continue;
    }
    lowbit::Codes& c = m.codes[p.name];
    c.rows = p.rows;
    c.cols = p.cols;
    c.axis = p.axis;
    const int64_t extent = p.axis == lowbit::ShardAxis::kRows ? p.rows : p.cols;
    c.bounds = {0, extent};
    for (int64_t s = 1; equal_parts && s < shards; ++s) c.bounds.insert(c.bounds.end() - 1, extent * s / shards);
    while (static_cast<int64_t>(c.bounds.size()) < shards + 1) {
      const auto cut = static_cast<int64_t>(rng.below(static_cast<uint64_t>(extent)));
      if (std::find(c.bounds.begin(), c.bounds.end(), cut) == c.bounds.end()) c.bounds.push_back(cut);
      std::sort(c.bounds.begin(), c.bounds.end());
    }
    for (int64_t s = 0; s < shards; ++s) c.scales.push_back(round_to_fp16(0.05f + 0.1f * static_cast<float>(rng.uniform())));
    for (size_t i = 0; i < w.size(); ++i)
      c.codes.push_back(static_cast<int8_t>(config.family == model::Family::kBinary ? static_cast<int>(rng.below(2)) * 2 - 1
                                                                                    : static_cast<int>(rng.below(3)) - 1));
    lowbit::expand(c, w.data());
  }
  return m;
}

inline void write_float(format::SafetensorsWriter& writer, const std::vector<float>& values, DType dtype) {
  for (const float v : values) {
    if (dtype == DType::kF32) writer.write(&v, 4);
    const uint16_t bits = dtype == DType::kF16 ? to_fp16(v).bits : to_bf16(v).bits;
    if (dtype != DType::kF32) writer.write(&bits, 2);
  }
}

inline void write_unpacked(const RandomModel& m, const std::filesystem::path& directory, DType dtype = DType::kF16) {
  std::filesystem::create_directories(directory);
  std::vector<format::SafetensorsWriter::Entry> entries;
  for (const model::Parameter& p : model::parameters(m.config)) entries.push_back({p.name, dtype, model::tensor_shape(p)});
  format::SafetensorsWriter writer(directory / "model.safetensors", entries);
  for (const auto& entry : entries) write_float(writer, m.values.at(entry.name), dtype);
  writer.close();
  write_file(directory / "config.json", model::config_to_json(m.config, "float16"));
}

inline void write_packed(const RandomModel& m, const std::filesystem::path& directory, lowbit::Format format) {
  std::filesystem::create_directories(directory);
  const std::vector<model::Parameter> parameters = model::parameters(m.config);
  std::vector<model::PackedShape> shapes;
  for (const model::Parameter& p : parameters)
    if (p.role == model::Role::kLinear) {
      const lowbit::Codes& c = m.codes.at(p.name);
      shapes.push_back({lowbit::make_layout(format, c.rows, c.cols, c.axis, c.bounds), static_cast<int64_t>(c.scales.size())});
    }
  const auto entries = model::packed_entries(parameters, shapes, DType::kF16);
  format::SafetensorsWriter writer(directory / "model.safetensors", entries);
  for (const auto& entry : entries) {
    const size_t cut = entry.name.rfind('_');
    const std::string kind = cut == std::string::npos ? "" : entry.name.substr(cut);
    const auto found = m.codes.find(entry.name.substr(0, cut));
    if (found == m.codes.end()) {
      write_float(writer, m.values.at(entry.name), DType::kF16);
      continue;
    }
    const lowbit::Codes& c = found->second;
    if (kind == "_packed") {
      const lowbit::Layout layout = lowbit::make_layout(format, c.rows, c.cols, c.axis, c.bounds);
      std::vector<uint8_t> tile(static_cast<size_t>(layout.tile_bytes()));
      for (int64_t t = 0; t < layout.tiles(); ++t) {
        lowbit::pack_tile(layout, t, c.codes.data() + t * lowbit::kTileRows * c.cols, tile.data());
        writer.write(tile.data(), tile.size());
      }
    } else if (kind == "_scale") {
      writer.write(c.scales.data(), c.scales.size() * 4);
    } else {
      const std::vector<int32_t> bounds(c.bounds.begin(), c.bounds.end());
      writer.write(bounds.data(), bounds.size() * 4);
    }
  }
  writer.close();
  write_file(directory / "config.json", model::config_to_json(m.config, "float16", lowbit::format_name(format)));
}

/// `count` tokens below `vocab`.
inline std::vector<int32_t> random_tokens(int64_t count, int64_t vocab, uint64_t seed) {
  Rng rng(seed, 99);
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocab))));
  return tokens;
}

/// Logits (tokens.size(), V) of one new sequence, `chunk` tokens a call.
inline std::vector<float> all_logits(infer::Engine& engine, const std::vector<int32_t>& tokens, size_t chunk) {
  const int32_t sequence = engine.open_sequence();
  std::vector<float> logits;
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    infer::Batch batch;
    for (size_t i = begin; i < std::min(begin + chunk, tokens.size()); ++i) {
      batch.logits_at.push_back(static_cast<int32_t>(i - begin));
      batch.add(tokens[i], static_cast<int32_t>(i), sequence);
    }
    const std::vector<float> part = engine.forward(batch).logits;
    logits.insert(logits.end(), part.begin(), part.end());
  }
  engine.close_sequence(sequence);
  return logits;
}

/// Frobenius norm of a - b over that of b.
inline double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    const double d = static_cast<double>(a.at(i)) - static_cast<double>(b[i]);
    difference += d * d;
    norm += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(difference / norm);
}

}  // namespace spectra::test
