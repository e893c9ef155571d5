// SPDX-License-Identifier: Apache-2.0
#include "analysis/weights/histogram.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "base/error.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/system.h"
#include "model/weight_rows.h"

namespace spectra::analysis {

void Histogram::add(std::span<const float> values) {
  const double scale = kFinest / (2 * range_);
  for (const float value : values) {
    const double place = std::clamp((static_cast<double>(value) + range_) * scale, 0.0, static_cast<double>(kFinest - 1));
    ++counts_[static_cast<size_t>(place)];
  }
}

void Histogram::merge(const Histogram& other) {
  SPECTRA_CHECK(range_ == other.range_);
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

std::vector<int64_t> Histogram::counts(int bins) const {
  if (bins < 1 || kFinest % bins != 0)
    throw bad_input(fmt::format("a histogram of {} bins", bins), fmt::format("the number must divide {}", kFinest));
  const size_t width = static_cast<size_t>(kFinest / bins);
  std::vector<int64_t> out(static_cast<size_t>(bins));
  for (size_t i = 0; i < counts_.size(); ++i) out[i / width] += counts_[i];
  return out;
}

double Histogram::distance_from(const GaussianFit& fit) const {
  const double total = static_cast<double>(std::accumulate(counts_.begin(), counts_.end(), int64_t{0}));
  double below = 0, distance = 0;
  for (size_t i = 0; i + 1 < counts_.size(); ++i) {  // the borders between bins
    below += static_cast<double>(counts_[i]);
    const double border = -range_ + 2 * range_ * static_cast<double>(i + 1) / kFinest;
    const double normal = 0.5 * std::erfc((fit.mean - border) / (fit.sigma * std::sqrt(2.0)));
    distance = std::max(distance, std::abs(below / total - normal));
  }
  return distance;
}

MatrixPlace place_of(const model::Parameter& linear) {
  return {static_cast<size_t>(linear.layer), model::projection_name(linear.slot),
          model::part_of(linear.slot) == model::Part::kAttention};
}

WeightHistograms weight_histograms(const format::ModelDirectory& directory, double range) {
  if (!(range > 0) || !std::isfinite(range))
    throw bad_input(fmt::format("a histogram from -{0} to {0}", range), "a positive range");
  const model::WeightRows rows(directory);
  WeightHistograms out;
  std::vector<model::Parameter> linears;
  for (const model::Parameter& parameter : model::parameters(rows.config()))
    if (parameter.role == model::Role::kLinear) {
      linears.push_back(parameter);
      out.matrices.push_back({parameter.name, place_of(parameter), {}});
      out.by_kind.emplace(out.matrices.back().place.projection, Histogram(range));
    }
  Histogram& all = out.by_kind.emplace("all", Histogram(range)).first->second;
  std::mutex mutex;
  uint64_t done = 0;
  Progress progress("reading weights", linears.size());
  parallel_for(
      linears.size(),
      [&](size_t i) {
        check_interrupted();
        const auto matrix = rows.matrix(linears[i]);
        Histogram histogram(range);
        std::vector<float> row(static_cast<size_t>(matrix.cols()));
        for (int64_t r = 0; r < matrix.rows(); ++r) {
          matrix.read(r, row.data());
          for (const float value : row)
            if (!std::isfinite(value))
              throw bad_input(fmt::format("{}: {} row {} holds {}", directory.path().string(), linears[i].name, r, value),
                              "a model with such a weight computes nothing; take an earlier checkpoint");
          histogram.add(row);
          out.matrices[i].moments.add(row);
        }
        matrix.release();
        const std::lock_guard<std::mutex> lock(mutex);
        out.by_kind.at(out.matrices[i].place.projection).merge(histogram);
        all.merge(histogram);
        progress.update(++done);
      },
      cpu_count());
  return out;
}

}  // namespace spectra::analysis
