// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the weights of a study's models look like: distributions of FloatLMs, codes of the largest TriLM. Reads every weight of
// those models, so results are kept for the next look at a suite that still runs.
#include <map>
#include <string>
#include <vector>

#include "analysis/study.h"
#include "analysis/weights/connections.h"
#include "analysis/weights/histogram.h"

namespace spectra::analysis {

/// All linear weights of one FloatLM.
struct WeightDistribution {
  std::string size;
  fs::path path;
  double parameters = kUnknown;
  Histogram histogram{1};
  GaussianFit fit;
};

struct StudyWeights {
  double range = 0;                        ///< largest magnitude in the histograms
  std::vector<WeightDistribution> floats;  ///< rising parameters, the lowest seed of each size
  std::string ternary;                     ///< the largest TriLM's name, empty without one
  fs::path ternary_path;
  std::vector<MatrixConnections> connections;  ///< of that model
  std::vector<std::string> unread;             ///< models whose weights could not be read
};

/// `kept`: what an earlier look read; its models are not read again.
StudyWeights read_study_weights(const Study& study, const StudyWeights& kept = {});

}  // namespace spectra::analysis
