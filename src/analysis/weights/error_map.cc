// SPDX-License-Identifier: Apache-2.0
#include "analysis/weights/error_map.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "analysis/chart/chart.h"
#include "base/error.h"
#include "model/slot.h"

namespace spectra::analysis {
namespace {

double number_or_nan(const nlohmann::json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

/// The error of one linear layer, by its name there: "model.layers.3.mlp.up_proj".
void place(QuantizedModel& into, const std::string& name, double error) {
  const std::optional<model::Place> found = model::place_from_name(name);
  const std::string projection = found ? model::projection_name(found->slot) : "";
  if (projection.empty()) throw std::runtime_error("layer " + name);
  if (std::find(into.projections.begin(), into.projections.end(), projection) == into.projections.end())
    into.projections.push_back(projection);
  into.errors[found->layer][projection] = error;
}

/// Smallest and largest error above 0.
std::pair<double, double> range(const QuantizedModel& model) {
  std::pair<double, double> out{std::numeric_limits<double>::infinity(), 0};
  for (const auto& block : model.errors)
    for (const auto& cell : block.second)
      if (cell.second > 0) out = {std::min(out.first, cell.second), std::max(out.second, cell.second)};
  return out;
}

std::string one_map(const QuantizedModel& model) {
  const auto [smallest, largest] = range(model);
  const double low = smallest, span = std::log(largest / smallest);
  std::string html = fmt::format("<h3>{}: {} bits, {}, {}</h3>\n", escaped(model.name), model.bits, escaped(model.method),
                                 model.group_size < 0 ? "a scale a row" : fmt::format("groups of {}", model.group_size));
  html += fmt::format("<p>Errors of the {}.</p>\n", model.of_outputs ? "outputs on the calibration text" : "weights");
  if (!std::isnan(model.quantized_perplexity))
    html += fmt::format("<p>Perplexity on the calibration text {:.4f}, float model {:.4f}.</p>\n", model.quantized_perplexity,
                        model.float_perplexity);
  html += "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Errors of " + escaped(model.name) +
          "\"><table class=\"map\"><tr><th>block</th>";
  for (const std::string& projection : model.projections) html += "<th>" + escaped(projection) + "</th>";
  html += "</tr>\n";
  for (const auto& block : model.errors) {
    html += fmt::format("<tr><td>{}</td>", block.first);
    for (const std::string& projection : model.projections) {
      const auto found = block.second.find(projection);
      if (found == block.second.end()) {
        html += "<td>–</td>";
        continue;
      }
      const double share = span > 0 && found->second > 0 ? std::log(found->second / low) / span : 0;
      html += fmt::format("<td style=\"background:rgba(208,72,32,{:.2f})\">{:.2f}</td>", 0.05 + 0.75 * share, 100 * found->second);
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

}  // namespace

QuantizedModel read_quantized(const fs::path& path) {
  QuantizedModel model;
  try {
    const auto json = nlohmann::json::parse(read_file(path));
    if (json.at("schema") != "spectra.quantize/1") throw std::runtime_error("schema " + json.at("schema").dump());
    model.name = path.stem().string();
    json.at("method").get_to(model.method);
    json.at("bits").get_to(model.bits);
    json.at("group_size").get_to(model.group_size);
    model.float_perplexity = number_or_nan(json.at("float_perplexity"));
    model.quantized_perplexity = number_or_nan(json.at("quantized_perplexity"));
    const auto& linears = json.at("linears");
    model.of_outputs =
        std::none_of(linears.begin(), linears.end(), [](const auto& one) { return one.at("output_error").is_null(); });
    for (const auto& linear : linears) {
      place(model, linear.at("name"), linear.at(model.of_outputs ? "output_error" : "weight_error"));
    }
  } catch (const std::exception& error) {
    throw bad_input(fmt::format("{} is not the output of `spectra quantize --json`: {}", path.string(), error.what()));
  }
  return model;
}

std::string error_maps(const std::vector<QuantizedModel>& models) {
  if (models.empty()) return "";
  std::string html =
      "<p>Error of each linear layer in percent of the norm; colours are logarithmic, from the smallest to the largest of the "
      "model.</p>\n";
  for (const QuantizedModel& model : models) html += one_map(model);
  return html;
}

}  // namespace spectra::analysis
