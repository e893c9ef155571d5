// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/units.h"
#include "cli/command.h"
#include "cli/inspect.h"
#include "format/model_directory.h"
#include "format/strict_json.h"
#include "model/quantized_config.h"
#include "model/weight_statistics.h"

namespace spectra::cli {
namespace {

using model::Family;
using model::MatrixStatistics;

constexpr size_t kMatrices = 7;  // linear layers of a transformer layer: q k v o gate up down

/// Everything that both outputs show.
struct Facts {
  explicit Facts(const format::ModelDirectory& d) : directory(d) {}
  const format::ModelDirectory& directory;
  model::Config config;
  model::WeightStatistics weights;
  model::ParameterCount parameters{};
  std::string size, packed, dtype;  ///< size: "" where no row of the paper's table fits
  std::optional<model::QuantizedConfig> quantized;
  model::QuantizationInfo quantization;  ///< where quantized
  uint64_t disk_bytes = 0, linear_bytes = 0;
  double size_in_bits = 0;
  int64_t zeros = 0;
  bool checksums = false;

  bool low_bit() const { return weights.family != Family::kFloat; }
  double linear_bits() const { return 8.0 * static_cast<double>(linear_bytes) / static_cast<double>(parameters.linear); }
};

/// Bits that the paper counts for a linear weight (its table 4). A group of columns has 32 bits beside its codes.
double paper_bits(const Facts& facts) {
  if (facts.quantized)
    return facts.quantized->bits + (facts.quantized->group_size == 0 ? 0 : 32.0 / static_cast<double>(facts.quantized->group_size));
  switch (facts.weights.family) {
    case Family::kTernary:
      return 1.58;
    case Family::kBinary:
      return 1;
    default:
      return 16;
  }
}

std::string size_name(const model::Config& config) {
  for (const model::Size& size : model::spectra_sizes())
    if (size.hidden == config.hidden && size.glu == config.glu && size.heads == config.heads && size.layers == config.layers)
      return size.name;
  return "";
}

Facts gather(const format::ModelDirectory& directory, bool verify) {
  Facts facts{directory};
  facts.config = model::config_from_json(directory.config_json(), (directory.path() / "config.json").string());
  facts.checksums = verify && directory.verify_checksums();
  facts.weights = model::weight_statistics(directory, facts.config);
  facts.parameters = model::count_parameters(facts.config);
  facts.size = size_name(facts.config);
  facts.packed = model::packed_format_from_json(directory.config_json());
  facts.quantized = model::quantized_config_from_json(directory.config_json(), (directory.path() / "config.json").string());
  if (facts.quantized) {
    facts.packed = model::quantized_format_name(facts.quantized->format);
    facts.quantization = model::quantization_info(*facts.quantized, directory.provenance_json());
  }
  facts.dtype = dtype_name(directory.get("model.embed_tokens.weight").dtype);
  for (const auto& entry : fs::directory_iterator(directory.path()))
    if (entry.is_regular_file()) facts.disk_bytes += entry.file_size();
  for (const MatrixStatistics& matrix : facts.weights.matrices) {
    facts.linear_bytes += matrix.bytes;
    facts.zeros += matrix.zeros;
  }
  // The paper's table counts every size at vocabulary 50304; other models have their own.
  facts.size_in_bits = model::size_in_bits(facts.config, paper_bits(facts), facts.size.empty() ? facts.config.vocab : 0);
  return facts;
}

double zero_fraction(const std::vector<MatrixStatistics>& matrices, size_t begin, size_t count) {
  int64_t zeros = 0, total = 0;
  for (size_t i = begin; i < begin + count; ++i) {
    zeros += matrices[i].zeros;
    total += matrices[i].parameter.rows * matrices[i].parameter.cols;
  }
  return static_cast<double>(zeros) / static_cast<double>(total);
}

nlohmann::ordered_json weights_json(const Facts& facts) {
  nlohmann::ordered_json matrices = nlohmann::ordered_json::array(), layers = nlohmann::ordered_json::array();
  const auto& all = facts.weights.matrices;
  for (size_t i = 0; i < all.size(); ++i) {
    const model::Parameter& p = all[i].parameter;
    nlohmann::ordered_json matrix = {{"name", p.name}, {"rows", p.rows}, {"cols", p.cols}, {"bytes", all[i].bytes}};
    if (facts.low_bit()) matrix.update({{"scales", all[i].scales}, {"zero_fraction", zero_fraction(all, i, 1)}});
    matrices.push_back(std::move(matrix));
  }
  if (!facts.low_bit()) return {{"matrices", matrices}};
  for (size_t i = 0; i < all.size(); i += kMatrices) layers.push_back(zero_fraction(all, i, kMatrices));
  return {{"zero_fraction", zero_fraction(all, 0, all.size())}, {"zero_fraction_by_layer", layers}, {"matrices", matrices}};
}

/// JSON null where the model is not quantized.
nlohmann::ordered_json quantization_json(const Facts& facts) {
  if (!facts.quantized) return nullptr;
  auto json = nlohmann::ordered_json::parse(model::quantization_provenance_json(facts.quantized->format, facts.quantization));
  json["symmetric"] = facts.quantized->symmetric;
  return json;
}

/// What spectra.json says; null where there is none.
nlohmann::json read_provenance(const format::ModelDirectory& directory) {
  if (directory.provenance_json().empty()) return nullptr;
  return format::parse_json_object(directory.provenance_json(), (directory.path() / "spectra.json").string());
}

nlohmann::ordered_json to_json(const Facts& facts, bool verify) {
  const model::Config& c = facts.config;
  nlohmann::ordered_json json = {
      {"schema", "spectra.inspect/1"},
      {"kind", "model"},
      {"path", facts.directory.path().string()},
      {"family", model::family_name(facts.weights.family)},
      {"size", facts.size},
      {"hidden", c.hidden},
      {"glu", c.glu},
      {"heads", c.heads},
      {"kv_heads", c.kv_heads},
      {"head_dim", c.head_dim()},
      {"layers", c.layers},
      {"vocab", c.vocab},
      {"context", c.max_position},
      {"shards", c.shards},
      {"tied", c.tied},
      {"parameters",
       {{"total", facts.parameters.total()},
        {"linear", facts.parameters.linear},
        {"embedding_and_head", facts.parameters.embedding_and_head},
        {"norms", facts.parameters.norms}}},
      {"dtype", facts.dtype},
      {"packed_format", facts.packed},
      {"quantization", quantization_json(facts)},
      {"bytes_on_disk", facts.disk_bytes},
      {"linear_bytes", facts.linear_bytes},
      {"bits_per_linear_weight", facts.linear_bits()},
      {"size_in_bits", facts.size_in_bits},
  };
  json.update(weights_json(facts));
  json["provenance"] = read_provenance(facts.directory);
  json["verified"] = verify ? nlohmann::ordered_json(facts.checksums) : nlohmann::ordered_json();
  return json;
}

void print_provenance(const format::ModelDirectory& directory) {
  const nlohmann::json provenance = read_provenance(directory);
  fmt::print("provenance     {}\n", provenance.is_null() ? "none: there is no spectra.json" : "");
  if (provenance.is_null()) return;
  for (const auto& item : provenance.items()) {
    if (item.key() == "sha256") continue;  // a line a file; --json has them
    fmt::print("  {:<12} {}\n", item.key(), item.value().is_string() ? item.value().get<std::string>() : item.value().dump());
  }
}

void print_weights(const Facts& facts) {
  const auto& all = facts.weights.matrices;
  size_t fewest = all.front().scales.size(), most = fewest;
  float smallest = all.front().scales.front(), largest = smallest;
  for (const MatrixStatistics& matrix : all) {
    fewest = std::min(fewest, matrix.scales.size());
    most = std::max(most, matrix.scales.size());
    for (const float scale : matrix.scales) {
      smallest = std::min(smallest, scale);
      largest = std::max(largest, scale);
    }
  }
  fmt::print("scales         {} a matrix, from {:.6g} to {:.6g}\n",
             fewest == most ? fmt::format("{}", most) : fmt::format("{} to {}", fewest, most), smallest, largest);
  if (facts.weights.family != Family::kTernary) return;
  fmt::print("zeros          {:.2f} % of the linear weights\n\n", 100 * zero_fraction(all, 0, all.size()));
  fmt::print("zeros, %     all      q      k      v      o   gate     up   down\n");
  for (size_t i = 0; i < all.size(); i += kMatrices) {
    fmt::print("layer {:<3} {:6.2f}", i / kMatrices, 100 * zero_fraction(all, i, kMatrices));
    for (size_t m = 0; m < kMatrices; ++m) fmt::print(" {:6.2f}", 100 * zero_fraction(all, i + m, 1));
    fmt::print("\n");
  }
}

void print_text(const Facts& facts, bool verify) {
  const model::Config& c = facts.config;
  const auto count = [](int64_t value) { return format_count(static_cast<uint64_t>(value)); };
  fmt::print("model          {}\n", facts.directory.path().string());
  fmt::print("family         {}{}\n", model::family_name(facts.weights.family),
             facts.weights.family_from_weights ? " (seen in the weights; config.json does not say so)" : "");
  fmt::print("size           {}\n", facts.size.empty() ? "none of the paper's nine" : facts.size);
  fmt::print("dimensions     hidden {}, GLU {}, {} heads of {}{}, {} layers, vocabulary {}, context {}, shards {}\n", c.hidden,
             c.glu, c.heads, c.head_dim(), c.kv_heads == c.heads ? "" : fmt::format(" ({} for keys and values)", c.kv_heads),
             c.layers, c.vocab, c.max_position, c.shards);
  fmt::print("parameters     {}: linear {}, embedding and head {}{}, norms {}\n", count(facts.parameters.total()),
             count(facts.parameters.linear), count(facts.parameters.embedding_and_head), c.tied ? " (tied)" : "",
             count(facts.parameters.norms));
  fmt::print("stored as      {}\n", facts.packed.empty() ? facts.dtype : fmt::format("{}, the rest {}", facts.packed, facts.dtype));
  if (facts.quantized)
    fmt::print("quantized      {} bits, {}{}{}\n", facts.quantized->bits,
               facts.quantized->group_size == 0 ? "a scale a row" : fmt::format("groups of {}", facts.quantized->group_size),
               facts.quantized->symmetric ? "" : ", with zero points",
               facts.quantization.method.empty() ? "" : ", by " + facts.quantization.method);
  fmt::print("on disk        {}; linear layers {}, {:.3f} bits a weight\n", format_bytes(facts.disk_bytes),
             format_bytes(facts.linear_bytes), facts.linear_bits());
  fmt::print("size in bits   {:.4g}e9 (the paper's count: {} a linear weight, 16 in embedding and head at vocabulary {})\n",
             facts.size_in_bits / 1e9, paper_bits(facts), facts.size.empty() ? c.vocab : 50304);
  fmt::print("checksums      {}\n", checksum_state(verify, facts.checksums));
  print_provenance(facts.directory);
  if (facts.low_bit()) print_weights(facts);
}

}  // namespace

void inspect_model(const fs::path& path, bool verify) {
  const format::ModelDirectory directory(path);
  const Facts facts = gather(directory, verify);
  if (global().json)
    print_json(to_json(facts, verify).dump());
  else
    print_text(facts, verify);
}

}  // namespace spectra::cli
