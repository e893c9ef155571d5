// SPDX-License-Identifier: Apache-2.0
// What accelerators allow: trends, the largest models, how fast they can decode.
#include <fmt/format.h>

#include "analysis/hardware.h"
#include "analysis/tables/tables.h"

namespace spectra::analysis {

Tables hardware_tables(const std::vector<Accelerator>& accelerators) {
  Table table{{"name", "vendor", "year", "memory_gb", "bandwidth_tbps", "tflops", "gb_per_tflops", "tbps_per_tflops", "source"},
              {}};
  for (const Accelerator& one : accelerators)
    table.rows.push_back({one.name, one.vendor, Cell(one.year, fmt::format("{}", one.year)), one.memory_gb, one.bandwidth_tbps,
                          one.tflops, one.memory_gb / one.tflops, one.bandwidth_tbps / one.tflops, one.source});
  Table trends{{"vendor", "accelerators", "gb_slope", "gb_at_2020", "tbps_slope", "tbps_at_2020"}, {}};
  for (const Trend& trend : hardware_trends(accelerators))
    trends.rows.push_back({trend.vendor, static_cast<double>(trend.accelerators), trend.gb_slope, trend.gb_at_2020,
                           trend.tbps_slope, trend.tbps_at_2020});
  return {{"accelerators", table, "published figures; TFLOPS of dense 16-bit products"},
          {"trends", trends, "lines through GB and TB/s a TFLOPS, slopes a year"}};
}

Tables memory_tables(const std::vector<Accelerator>& accelerators, const std::vector<double>& widths) {
  Table largest{{"accelerator", "memory_gb"}, {}}, speed{{"shape", "linear_parameters", "parameters"}, {}};
  for (const double bits : widths)
    for (Table* table : {&largest, &speed}) table->columns.push_back(fmt::format("{}_bits", bits));
  for (const Accelerator& one : accelerators) {
    std::vector<Cell> row = {one.name, one.memory_gb};
    for (const double bits : widths) row.push_back(largest_llama(1e9 * one.memory_gb, bits));
    largest.rows.push_back(row);
  }
  for (const LlamaShape& shape : llama_shapes()) {
    std::vector<Cell> row = {shape.name, shape.linear(), shape.linear() + llama_embedding(shape.linear())};
    for (const double bits : widths) row.push_back(decode_speedup(shape.linear(), bits));
    speed.rows.push_back(row);
  }
  return {{"largest", largest,
           "parameters of the largest LLaMA-like model whose weights fit: 128,256 tokens, embedding and head at 16 bits"},
          {"speedup", speed, "how much faster than at 16 bits it can decode at most, when reading the weights takes all the time"}};
}

}  // namespace spectra::analysis
