// SPDX-License-Identifier: Apache-2.0
#include "analysis/weights/study_weights.h"

#include <algorithm>

#include "analysis/study_tables.h"
#include "base/error.h"
#include "base/log.h"

namespace spectra::analysis {
namespace {

/// The range of the histograms. The paper does not say over which range it binned; with this one, weights of its variances have its
/// entropies.
constexpr double kRange = 1;

/// The suite's own trained models of a kind, one a size, rising parameters.
std::vector<const StudyModel*> models_of(const Study& study, const Kind& kind) {
  std::vector<const StudyModel*> models;
  for (const SizeGroup& group : by_size(study, kind, [](const StudyModel& model) { return model.model.empty() ? kUnknown : 1; }))
    models.push_back(*std::min_element(group.models.begin(), group.models.end(),
                                       [](const StudyModel* a, const StudyModel* b) { return a->seed < b->seed; }));
  return models;
}

WeightDistribution read_distribution(const StudyModel& model) {
  const WeightHistograms weights = weight_histograms(format::ModelDirectory(model.model), kRange);
  Moments moments;
  for (const MatrixWeights& matrix : weights.matrices) moments.merge(matrix.moments);
  return {model.size, model.model, model.parameters, weights.by_kind.at("all"), fit_gaussian(moments)};
}

void read_floats(const Study& study, const StudyWeights& kept, StudyWeights& weights) {
  for (const StudyModel* model : models_of(study, kFloatLM)) {
    const auto known =
        std::find_if(kept.floats.begin(), kept.floats.end(), [&](const auto& one) { return one.size == model->size; });
    if (known != kept.floats.end()) {
      weights.floats.push_back(*known);
      continue;
    }
    try {
      weights.floats.push_back(read_distribution(*model));
    } catch (const Error&) {
      weights.unread.push_back(model->name);
    }
  }
}

}  // namespace

StudyWeights read_study_weights(const Study& study, const StudyWeights& kept) {
  StudyWeights weights;
  weights.range = kRange;
  read_floats(study, kept, weights);
  const std::vector<const StudyModel*> ternary = models_of(study, kTriLM);
  if (ternary.empty()) return weights;
  weights.ternary = ternary.back()->name;
  weights.ternary_path = ternary.back()->model;
  if (weights.ternary == kept.ternary) {
    weights.connections = kept.connections;
    return weights;
  }
  try {
    weights.connections = connections(format::ModelDirectory(ternary.back()->model));
  } catch (const Error&) {
    weights.unread.push_back(weights.ternary);
  }
  return weights;
}

}  // namespace spectra::analysis
