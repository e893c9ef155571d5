// SPDX-License-Identifier: Apache-2.0
#include "server/model_card.h"

#include <map>
#include <nlohmann/json.hpp>

#include "kernels/kernels.h"
#include "model/config.h"
#include "model/weight_statistics.h"

namespace spectra::server {
namespace {

using model::MatrixStatistics;

double share(int64_t part, int64_t whole) { return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0; }

/// Adds the shares of zeros of a ternary model, in all and by layer.
void add_zeros(const std::vector<MatrixStatistics>& matrices, int64_t layers, Json& card) {
  std::map<int64_t, std::pair<int64_t, int64_t>> of_layer;  // counts of zeros and of weights
  int64_t zeros = 0, weights = 0;
  const auto per_layer = static_cast<int64_t>(matrices.size()) / layers;
  for (size_t i = 0; i < matrices.size(); ++i) {
    const int64_t size = matrices[i].parameter.rows * matrices[i].parameter.cols;
    auto& [layer_zeros, layer_weights] = of_layer[static_cast<int64_t>(i) / per_layer];
    layer_zeros += matrices[i].zeros, layer_weights += size;
    zeros += matrices[i].zeros, weights += size;
  }
  card["zero_fraction"] = share(zeros, weights);
  card["zero_fraction_of_layers"] = Json::array();
  for (const auto& [layer, counts] : of_layer) card["zero_fraction_of_layers"].push_back(share(counts.first, counts.second));
}

}  // namespace

Json model_entry(const ServedModel& model) {
  return {{"id", model.name},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "spectra"},
          {"max_model_len", model.context}};
}

Json model_card(const ServedModel& model) {
  const infer::Model& m = model.engine.model();
  const model::ParameterCount count = model::count_parameters(m.config);
  const model::WeightStatistics weights = model::weight_statistics(*m.files, m.config);
  uint64_t linear_bytes = 0, file_bytes = 0;
  for (const MatrixStatistics& matrix : weights.matrices) linear_bytes += matrix.bytes;
  for (const auto& entry : fs::directory_iterator(model.path))
    if (entry.is_regular_file()) file_bytes += entry.file_size();
  Json card = {{"family", model::family_name(weights.family)},
               {"format", m.packed() ? Json(m.format) : Json()},
               {"parameters", count.total()},
               {"linear_parameters", count.linear},
               {"bits_per_linear_weight", 8 * static_cast<double>(linear_bytes) / static_cast<double>(count.linear)},
               {"bytes", file_bytes},
               {"layers", m.config.layers},
               {"hidden", m.config.hidden},
               {"heads", m.config.heads},
               {"vocabulary", m.config.vocab},
               {"context", model.context},
               {"activations", infer::activations_name(model.engine.activations())},
               {"kv", infer::kv_type_name(model.engine.kv_type())},
               {"head", infer::head_name(m)},
               {"kernels", kernels::kernels().name},
               {"chat_template", !model.chat.plain()}};
  if (weights.family == model::Family::kTernary) add_zeros(weights.matrices, m.config.layers, card);
  Json entry = model_entry(model);
  entry["spectra"] = card;
  return entry;
}

}  // namespace spectra::server
