// SPDX-License-Identifier: Apache-2.0
// Series before they are drawn: thinned, smoothed; and text as SVG and HTML take it.
#include <cmath>

#include "analysis/chart/chart.h"

namespace spectra::analysis {

Series thinned(const Series& series, size_t most) {
  const size_t size = series.x.size();
  if (size <= most || series.points) return series;
  Series out = series;
  out.x.clear(), out.y.clear(), out.low.clear(), out.high.clear(), out.notes.clear();
  const auto mean = [&](const std::vector<double>& values, size_t begin, size_t end) {
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += values[i];
    return sum / static_cast<double>(end - begin);
  };
  for (size_t bucket = 0; bucket < most; ++bucket) {
    const size_t begin = bucket * size / most, end = (bucket + 1) * size / most;
    out.x.push_back(mean(series.x, begin, end));
    out.y.push_back(mean(series.y, begin, end));
    if (!series.low.empty()) out.low.push_back(mean(series.low, begin, end)), out.high.push_back(mean(series.high, begin, end));
  }
  return out;
}

std::vector<double> smoothed(const std::vector<double>& y, double half_life) {
  const double keep = std::pow(0.5, 1 / half_life);
  std::vector<double> out;
  double sum = 0, weight = 0;
  for (const double value : y) {
    if (std::isfinite(value)) {
      sum = keep * sum + (1 - keep) * value;
      weight = keep * weight + (1 - keep);
    }
    out.push_back(std::isfinite(value) ? sum / weight : value);
  }
  return out;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

}  // namespace spectra::analysis
