// SPDX-License-Identifier: Apache-2.0
#pragma once
// `spectra analyze`: from options to an analysis, whose tables cmd_analyze.cc prints as text, JSON or CSV.
#include <string>
#include <vector>

#include "analysis/tables/tables.h"

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

/// In the order of the help text.
std::vector<std::string> analysis_names();
/// Reads the inputs of options.analysis, which is one of these, and computes. Throws Error (exit 2) where options or the number of
/// inputs do not suit it.
analysis::Tables analyze(const AnalyzeOptions& options);

}  // namespace spectra::cli
