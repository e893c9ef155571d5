// SPDX-License-Identifier: Apache-2.0
#include "analysis/paper.h"

#include <cmath>
#include <map>

namespace spectra::analysis {

double PaperFit::at(double parameters) const { return a / std::pow(parameters, alpha) + offset; }

const std::vector<PaperPoint>& paper_binary_gap() {
  static const std::vector<PaperPoint> points = {{"99M", 99.74e6, 0.189}, {"560M", 569.2e6, 0.155}, {"1.1B", 1.149e9, 0.118}};
  return points;
}

const std::vector<PaperPoint>& paper_sizes() {
  static const std::vector<PaperPoint> points = {{"99M", 99.74e6, 0},  {"190M", 190.0e6, 0}, {"390M", 392.4e6, 0},
                                                 {"560M", 569.2e6, 0}, {"830M", 834.0e6, 0}, {"1.1B", 1.149e9, 0},
                                                 {"1.5B", 1.515e9, 0}, {"2.4B", 2.461e9, 0}, {"3.9B", 3.989e9, 0}};
  return points;
}

std::vector<PaperPoint> paper_six_task_average(const std::string& kind) {
  static const std::map<std::string, std::vector<double>> averages = {
      {"FloatLM", {44.3, 46.7, 48.5, 50.5, 53.3, 54.9, 56.7, 59.2, 61.4}},
      {"QuantLM 8-bit", {44.3, 46.8, 48.6, 50.4, 53.2, 54.8, 56.8, 59.1, 61.3}},
      {"QuantLM 6-bit", {44.3, 46.4, 48.9, 50.1, 53.2, 55.0, 56.9, 59.1, 61.3}},
      {"QuantLM 4-bit", {42.6, 36.5, 47.7, 49.8, 52.2, 54.4, 55.6, 58.5, 60.7}},
      {"QuantLM 3-bit", {40.3, 42.7, 46.5, 46.7, 49.2, 52.6, 51.6, 54.7, 56.8}},
      {"TriLM", {43.5, 42.4, 46.4, 48.4, 50.7, 51.6, 52.5, 57.3, 60.7}}};
  if (kind == "BiLM") return {{"99M", 99.74e6, 42.2}, {"560M", 569.2e6, 47.0}, {"1.1B", 1.149e9, 48.8}};
  const auto found = averages.find(kind);
  if (found == averages.end()) return {};
  std::vector<PaperPoint> points = paper_sizes();
  for (size_t i = 0; i < points.size(); ++i) points[i].value = found->second[i];
  return points;
}

}  // namespace spectra::analysis
