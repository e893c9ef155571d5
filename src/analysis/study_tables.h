// SPDX-License-Identifier: Apache-2.0
#pragma once
// A study's models grouped for figures: kinds of models, their sizes, means over seeds, paired differences.
#include <functional>
#include <string>
#include <vector>

#include "analysis/chart/chart.h"
#include "analysis/study.h"

namespace spectra::analysis {

/// FloatLM, QuantLM of some bits, TriLM or BiLM.
struct Kind {
  model::Family family = model::Family::kFloat;
  int bits = 0;  ///< bits of a weight of a QuantLM; 0 for other kinds
  bool operator==(const Kind& other) const { return family == other.family && bits == other.bits; }
};
constexpr Kind kFloatLM{model::Family::kFloat, 0}, kTriLM{model::Family::kTernary, 0}, kBiLM{model::Family::kBinary, 0};

std::string kind_name(const Kind& kind);  ///< "FloatLM", "QuantLM 4-bit", "TriLM", "BiLM"
int kind_colour(const Kind& kind);
Marker kind_marker(const Kind& kind);
Kind kind_of(const StudyModel& model);
/// The kinds that a study has (ablations aside): FloatLM, QuantLM 8 to 3, TriLM, BiLM.
std::vector<Kind> kinds_of(const Study& study);

using Measure = std::function<double(const StudyModel&)>;  ///< NaN = this model does not have it
double validation_loss(const StudyModel& model);

/// Mean with the range of the seeds, and half the 95 % t-interval of the mean (NaN for one seed).
struct Mean {
  double mean = kUnknown, low = kUnknown, high = kUnknown, margin = kUnknown;
  size_t count = 0;
};
Mean mean_of(const std::vector<double>& values);

/// Models of one kind and size; several seeds are several models.
struct SizeGroup {
  std::string size;
  double parameters = kUnknown, bits = kUnknown;
  std::vector<const StudyModel*> models;
  std::vector<double> values;  ///< values of the models, in their order; models without the value are left out of both lists
  Mean mean;
};
/// Rising parameters. `arm`: of ablations.
std::vector<SizeGroup> by_size(const Study& study, const Kind& kind, const Measure& measure, const std::string& arm = "");

/// A − B over the seeds that both have, per size.
struct SizeDifference {
  std::string size;
  double parameters = kUnknown;
  std::vector<double> values;
  Mean mean;
};
std::vector<SizeDifference> differences(const Study& study, const Kind& a, const Kind& b, const Measure& measure);

/// The suite's own FloatLMs of the two next sizes with fewer linear parameters than `model`, the larger first: of several seeds the
/// model's own, or else the lowest. Sizes are compared by linear parameters, since embeddings are padded to the number of shards.
std::vector<const StudyModel*> next_smaller_floats(const Study& study, const StudyModel& model);

/// A fixed run of points: one marker a size with a bar over its seeds, joined to nothing.
Series points_of(const Kind& kind, const std::vector<SizeGroup>& groups, double SizeGroup::*x);

}  // namespace spectra::analysis
