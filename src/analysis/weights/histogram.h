// SPDX-License-Identifier: Apache-2.0
#pragma once
// Histograms of the linear layers' weights, of any model: unpacked, packed or quantized.
#include <map>
#include <string>
#include <vector>

#include "analysis/weights/entropy.h"
#include "format/model_directory.h"
#include "model/config.h"

namespace spectra::analysis {

/// Equal bins over [-range, range); values beyond lie in the outer bins.
class Histogram {
 public:
  static constexpr int kFinest = 252000;  ///< bins that are kept: 100, 200 ... 900 divide it, so their histograms are exact
  explicit Histogram(double range) : range_(range), counts_(kFinest) {}
  void add(std::span<const float> values);
  /// `other` has the same range.
  void merge(const Histogram& other);
  double range() const { return range_; }
  /// Throws Error unless `bins` divides kFinest.
  std::vector<int64_t> counts(int bins) const;
  /// The largest difference between the share of values below x and that of a normal distribution (Kolmogorov and Smirnov), over
  /// all x at borders of bins.
  double distance_from(const GaussianFit& fit) const;

 private:
  double range_;
  std::vector<int64_t> counts_;
};

/// Where a matrix is: "model.layers.3.self_attn.q_proj.weight" is layer 3, "q_proj".
struct MatrixPlace {
  size_t layer = 0;
  std::string projection;
  bool heads = false;  ///< it is one of attention: q, k, v or o
};
MatrixPlace place_of(const model::Parameter& linear);

struct MatrixWeights {
  std::string name;
  MatrixPlace place;
  Moments moments;
};

struct WeightHistograms {
  std::vector<MatrixWeights> matrices;       ///< in file order
  std::map<std::string, Histogram> by_kind;  ///< by projection, and "all"
};
/// Reads every linear matrix. `range`: of the histograms. Throws Error where the model cannot be read.
WeightHistograms weight_histograms(const format::ModelDirectory& directory, double range);

}  // namespace spectra::analysis
