// SPDX-License-Identifier: Apache-2.0
#pragma once
// `spectra analyze`: each analysis makes tables; cmd_analyze.cc prints them as text, JSON or CSV.
#include <string>
#include <vector>

#include "analysis/table.h"

namespace spectra::cli {

struct AnalyzeOptions {
  std::string analysis;
  std::vector<std::string> inputs;
  std::string csv;
  bool pure = false;                           ///< scaling
  int64_t bootstrap = 0;                       ///< scaling: resamples
  std::string gaps = "10,9,8,7,6";             ///< scaling: per cent
  std::string score;                           ///< pareto: TASK or TASK:METRIC
  double range = 1;                            ///< weights: of the histograms
  int64_t windows = 20;                        ///< relative
  double window = 5;                           ///< dynamics: per cent of the run
  std::string bits = "16,8,4.25,3.25,1.58,1";  ///< memory: of a linear weight
};

struct NamedTable {
  std::string name;
  analysis::Table table;
  std::string note = "";  ///< one line for readers
};
using Tables = std::vector<NamedTable>;

Tables analyze_scaling(const AnalyzeOptions& options);
Tables analyze_pareto(const AnalyzeOptions& options);
Tables analyze_relative(const AnalyzeOptions& options);
Tables analyze_dynamics(const AnalyzeOptions& options);
Tables analyze_weights(const AnalyzeOptions& options);
Tables analyze_connections(const AnalyzeOptions& options);
Tables analyze_hardware(const AnalyzeOptions& options);
Tables analyze_memory(const AnalyzeOptions& options);
Tables analyze_bias(const AnalyzeOptions& options);
Tables analyze_paper(const AnalyzeOptions& options);

/// The only input. Throws Error (exit 2) saying that `what` is needed otherwise.
const std::string& only_input(const AnalyzeOptions& options, const std::string& what);
/// "4,3.5" -> numbers. Throws Error (exit 2) naming the option.
std::vector<double> number_list(const std::string& text, const std::string& option);

}  // namespace spectra::cli
