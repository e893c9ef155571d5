// SPDX-License-Identifier: Apache-2.0
#pragma once
// Models as points: sizes and losses of a suite, or of a CSV file with results from anywhere.
#include <string>
#include <vector>

#include "analysis/study.h"

namespace spectra::analysis {

struct ModelPoint {
  std::string name, kind;  ///< kind: "FloatLM", "TriLM" ... or what the file says
  double parameters = kUnknown, size_bits = kUnknown, tokens = kUnknown, loss = kUnknown;
};

/// The suite's own evaluated models (no ablations), losses of validation in nats a token.
std::vector<ModelPoint> points_of(const Study& study);
/// `path`: a suite's directory or its results.json, or a CSV file with the columns kind, parameters (a count, at least 1), loss and
/// perhaps name, size_bits, tokens. Throws Error naming file and line.
std::vector<ModelPoint> read_points(const fs::path& path);
/// Kinds in order of first appearance.
std::vector<std::string> kinds_of(const std::vector<ModelPoint>& points);

/// Models of one kind and size (seeds): one point of a fit, for what a law misses at a size it misses for all of them.
struct SizeMean {
  double parameters = kUnknown, tokens = kUnknown, loss = kUnknown;  ///< loss: mean of the models
  size_t models = 0;
};
/// The points of models whose parameters are known, in order of first appearance. `by_tokens`: models of a size that saw different
/// numbers of tokens are different points, and those whose tokens are not known are left out.
std::vector<SizeMean> size_means(const std::vector<ModelPoint>& points, const std::string& kind, bool by_tokens);

}  // namespace spectra::analysis
