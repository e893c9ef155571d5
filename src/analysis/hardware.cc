// SPDX-License-Identifier: Apache-2.0
#include "analysis/hardware.h"

#include <algorithm>
#include <cmath>

#include "analysis/csv_columns.h"
#include "analysis/embedded_data.h"

namespace spectra::analysis {
namespace {

/// Least squares of y over x - 2020: slope and value at 2020.
std::pair<double, double> line(const std::vector<double>& x, const std::vector<double>& y) {
  const double n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) mean_x += (x[i] - 2020) / n, mean_y += y[i] / n;
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - 2020 - mean_x;
    xx += dx * dx, xy += dx * (y[i] - mean_y);
  }
  return {xy / xx, mean_y - xy / xx * mean_x};
}

}  // namespace

std::vector<Accelerator> parse_accelerators(const std::string& csv, const std::string& where) {
  const CsvColumns rows(csv, where, {"name", "vendor", "year", "memory_gb", "bandwidth_tbps", "tflops"});
  std::vector<Accelerator> all;
  for (size_t i = 0; i < rows.rows(); ++i)
    all.push_back({rows.text(i, "name"), rows.text(i, "vendor"), rows.number(i, "year"), rows.number(i, "memory_gb"),
                   rows.number(i, "bandwidth_tbps"), rows.number(i, "tflops"), rows.text(i, "source")});
  return all;
}

std::vector<Accelerator> known_accelerators() { return parse_accelerators(accelerators_csv(), "the built-in list"); }

std::vector<Trend> hardware_trends(const std::vector<Accelerator>& accelerators) {
  std::vector<std::string> vendors;
  for (const Accelerator& one : accelerators)
    if (std::find(vendors.begin(), vendors.end(), one.vendor) == vendors.end()) vendors.push_back(one.vendor);
  vendors.push_back("all");
  std::vector<Trend> trends;
  for (const std::string& vendor : vendors) {
    std::vector<double> year, gb, tbps;
    for (const Accelerator& one : accelerators)
      if (vendor == "all" || one.vendor == vendor)
        year.push_back(one.year), gb.push_back(one.memory_gb / one.tflops), tbps.push_back(one.bandwidth_tbps / one.tflops);
    if (year.empty() || *std::min_element(year.begin(), year.end()) == *std::max_element(year.begin(), year.end())) continue;
    const auto memory = line(year, gb), bandwidth = line(year, tbps);
    trends.push_back({vendor, year.size(), memory.first, memory.second, bandwidth.first, bandwidth.second});
  }
  return trends;
}

double LlamaShape::linear() const { return layers * (2 * hidden * hidden + 2 * hidden * kv_dim + 3 * hidden * glu); }

const std::vector<LlamaShape>& llama_shapes() {
  // config.json of Llama 3.2 1B and 3B, LLaMA 7B and 13B, Code Llama 34B, Llama 3 70B, Llama 3.1 405B.
  static const std::vector<LlamaShape> shapes = {{"1B", 2048, 8192, 16, 512},      {"3B", 3072, 8192, 28, 1024},
                                                 {"7B", 4096, 11008, 32, 4096},    {"13B", 5120, 13824, 40, 5120},
                                                 {"34B", 8192, 22016, 48, 1024},   {"70B", 8192, 28672, 80, 1024},
                                                 {"405B", 16384, 53248, 126, 1024}};
  return shapes;
}

double llama_embedding(double linear) {
  // Width over parameters is a line between neighbours on logarithmic axes, also beyond the ends.
  const auto& shapes = llama_shapes();
  size_t right = 1;
  while (right + 1 < shapes.size() && shapes[right].linear() < linear) ++right;
  const LlamaShape &a = shapes[right - 1], &b = shapes[right];
  const double share = std::log(linear / a.linear()) / std::log(b.linear() / a.linear());
  return 2 * kLlamaVocabulary * a.hidden * std::pow(b.hidden / a.hidden, share);
}

double llama_bits(double linear, double bits_per_weight) { return 16 * llama_embedding(linear) + bits_per_weight * linear; }

double largest_llama(double memory_bytes, double bits_per_weight) {
  double low = 1e3, high = 1e18;
  if (llama_bits(low, bits_per_weight) > 8 * memory_bytes) return 0;
  while (high / low > 1 + 1e-12) {
    const double middle = std::sqrt(low * high);
    (llama_bits(middle, bits_per_weight) <= 8 * memory_bytes ? low : high) = middle;
  }
  return low + llama_embedding(low);
}

double decode_speedup(double linear, double bits_per_weight) {
  return llama_bits(linear, 16) / llama_bits(linear, bits_per_weight);
}

}  // namespace spectra::analysis
