// SPDX-License-Identifier: Apache-2.0
// Which connections a low-bit model has, and how they change from one checkpoint to the next.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "analysis/tables/tables.h"
#include "analysis/weights/connections.h"
#include "base/error.h"

namespace spectra::analysis {
namespace {

void add_shares(std::vector<Cell>& row, const Codes3& codes) {
  row.insert(row.end(), {Cell(codes.share(codes.minus)), Cell(codes.share(codes.zero)), Cell(codes.share(codes.plus))});
}

bool has_heads(const std::string& projection) { return projection.size() == 6; }  // q_proj, k_proj, v_proj, o_proj

Tables connection_tables(const std::vector<MatrixConnections>& matrices) {
  Table all{{"layer", "projection", "minus", "zero", "plus", "emptiest_part", "fullest_part", "empty_parts"}, {}};
  Table heads{{"layer", "projection", "head", "minus", "zero", "plus"}, {}}, neurons = heads;
  neurons.columns[2] = "neuron";
  for (const MatrixConnections& matrix : matrices) {
    const double layer = static_cast<double>(matrix.place.layer);
    std::vector<double> zeros;
    Table& parts = has_heads(matrix.place.projection) ? heads : neurons;
    for (size_t i = 0; i < matrix.parts.size(); ++i) {
      const Codes3& part = matrix.parts[i];
      zeros.push_back(part.share(part.zero));
      std::vector<Cell> row = {layer, matrix.place.projection, static_cast<double>(i)};
      add_shares(row, part);
      parts.rows.push_back(row);
    }
    std::vector<Cell> row = {layer, matrix.place.projection};
    add_shares(row, matrix.all);
    const auto empty = static_cast<double>(std::count(zeros.begin(), zeros.end(), 1.0));
    const auto [fewest, most] = std::minmax_element(zeros.begin(), zeros.end());
    row.insert(row.end(), {Cell(*most), Cell(*fewest), Cell(empty)});
    all.rows.push_back(row);
  }
  return {{"matrices", all,
           "shares of codes; zeros of the heads (q, k, v, o) or neurons (gate, up, down) with most and fewest, and how many have "
           "nothing else"},
          {"heads", heads, "rows of q, k, v and columns of o"},
          {"neurons", neurons, "rows of gate and up, columns of down"}};
}

/// A model directory with its low-bit view.
struct OpenedModel {
  explicit OpenedModel(const fs::path& path) : directory(path), model(directory) {}
  format::ModelDirectory directory;
  LowBitModel model;
  std::string name() const { return directory.path().filename().string(); }
};
using OpenedModels = std::vector<std::unique_ptr<OpenedModel>>;

/// What changed from each model to the next: a row for each layer, and one for all.
Table flip_table(const OpenedModels& models) {
  Table table{{"from", "to", "layer", "weights", "to_zero", "from_zero", "sign_changes"}, {}};
  for (size_t i = 1; i < models.size(); ++i) {
    const OpenedModel &from = *models[i - 1], &to = *models[i];
    std::map<size_t, Flips> layers;
    Flips all;
    for (const Flips& matrix : flips(from.model, to.model))
      for (Flips* sum : {&layers[matrix.place.layer], &all})
        sum->weights += matrix.weights, sum->to_zero += matrix.to_zero, sum->from_zero += matrix.from_zero,
            sum->sign_changes += matrix.sign_changes;
    const auto add = [&](const std::string& layer, const Flips& sum) {
      const double weights = static_cast<double>(sum.weights);
      table.rows.push_back({from.name(), to.name(), layer, weights, static_cast<double>(sum.to_zero) / weights,
                            static_cast<double>(sum.from_zero) / weights, static_cast<double>(sum.sign_changes) / weights});
    };
    for (const auto& entry : layers) add(std::to_string(entry.first), entry.second);
    add("all", all);
  }
  return table;
}

}  // namespace

std::vector<fs::path> models_of(const fs::path& path) {
  if (!fs::is_directory(path / "checkpoints")) return {path};
  std::vector<fs::path> models;
  for (const auto& entry : fs::directory_iterator(path / "checkpoints"))
    if (entry.path().filename().string().rfind("step-", 0) == 0) models.push_back(entry.path());
  std::sort(models.begin(), models.end());
  if (models.empty()) throw bad_input(fmt::format("{} has no checkpoint yet", path.string()), "wait for the first one");
  return models;
}

Tables connections_tables(const std::vector<fs::path>& paths) {
  OpenedModels models;
  for (const fs::path& path : paths) {
    models.push_back(std::make_unique<OpenedModel>(path));
    check_same_shapes(models.front()->model, models.back()->model);
  }
  Tables tables = connection_tables(connections(models.back()->model));
  tables[0].note += "; " + models.back()->model.path();
  if (models.size() > 1) tables.push_back({"flips", flip_table(models), "shares of the weights that changed, and how"});
  return tables;
}

}  // namespace spectra::analysis
