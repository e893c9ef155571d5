// SPDX-License-Identifier: Apache-2.0
// What accelerators allow: trends, the largest models, how fast they can decode.
#include <fmt/format.h>

#include "analysis/hardware.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/analyze.h"

namespace spectra::cli {
namespace {

using analysis::Accelerator;
using analysis::Cell;
using analysis::Table;

/// The built-in list, or that of a CSV file.
std::vector<Accelerator> accelerators(const AnalyzeOptions& options) {
  if (options.inputs.empty()) return analysis::known_accelerators();
  const std::string& file = only_input(options, "no input or one CSV file of accelerators");
  return analysis::parse_accelerators(read_file(file), file);
}

std::vector<double> bit_widths(const AnalyzeOptions& options) {
  const std::vector<double> bits = number_list(options.bits, "--bits");
  for (const double width : bits)
    if (width <= 0 || width > 64)
      throw Error(Exit::kUsage, fmt::format("--bits {} is out of range", width), "bits of a weight, above 0, at most 64");
  return bits;
}

}  // namespace

Tables analyze_hardware(const AnalyzeOptions& options) {
  const std::vector<Accelerator> all = accelerators(options);
  Table table{{"name", "vendor", "year", "memory_gb", "bandwidth_tbps", "tflops", "gb_per_tflops", "tbps_per_tflops", "source"},
              {}};
  for (const Accelerator& one : all)
    table.rows.push_back({one.name, one.vendor, Cell(one.year, fmt::format("{}", one.year)), one.memory_gb, one.bandwidth_tbps,
                          one.tflops, one.memory_gb / one.tflops, one.bandwidth_tbps / one.tflops, one.source});
  Table trends{{"vendor", "accelerators", "gb_slope", "gb_at_2020", "tbps_slope", "tbps_at_2020"}, {}};
  for (const analysis::Trend& trend : analysis::hardware_trends(all))
    trends.rows.push_back({trend.vendor, static_cast<double>(trend.accelerators), trend.gb_slope, trend.gb_at_2020,
                           trend.tbps_slope, trend.tbps_at_2020});
  return {{"accelerators", table, "published figures; TFLOPS of dense 16-bit products"},
          {"trends", trends, "lines through GB and TB/s a TFLOPS, slopes a year"}};
}

Tables analyze_memory(const AnalyzeOptions& options) {
  const std::vector<double> widths = bit_widths(options);
  Table largest{{"accelerator", "memory_gb"}, {}}, speed{{"shape", "linear_parameters", "parameters"}, {}};
  for (const double bits : widths)
    for (Table* table : {&largest, &speed}) table->columns.push_back(fmt::format("{}_bits", bits));
  for (const Accelerator& one : accelerators(options)) {
    std::vector<Cell> row = {one.name, one.memory_gb};
    for (const double bits : widths) row.push_back(analysis::largest_llama(1e9 * one.memory_gb, bits));
    largest.rows.push_back(row);
  }
  for (const analysis::LlamaShape& shape : analysis::llama_shapes()) {
    std::vector<Cell> row = {shape.name, shape.linear(), shape.linear() + analysis::llama_embedding(shape.linear())};
    for (const double bits : widths) row.push_back(analysis::decode_speedup(shape.linear(), bits));
    speed.rows.push_back(row);
  }
  return {{"largest", largest,
           "parameters of the largest LLaMA-like model whose weights fit: 128,256 tokens, embedding and head at 16 bits"},
          {"speedup", speed, "how much faster than at 16 bits it can decode at most, when reading the weights takes all the time"}};
}

}  // namespace spectra::cli
