// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `spectra analyze` computes, as tables with names: each function makes those of one analysis.
#include <string>
#include <vector>

#include "analysis/hardware.h"
#include "analysis/model_points.h"
#include "analysis/run.h"
#include "analysis/study.h"
#include "analysis/table.h"
#include "base/file.h"

namespace spectra::analysis {

struct NamedTable {
  std::string name;
  Table table;
  std::string note = {};  ///< one line for readers
};
using Tables = std::vector<NamedTable>;

// `where` is what the numbers are from, for messages.

/// Intervals from resampled fits: fewer have no 2.5 percentile worth the name.
constexpr int kFewestResamples = 200, kMostResamples = 100000;
struct ScalingTablesOptions {
  bool pure = false;         ///< the law without an offset
  int resamples = 0;         ///< kFewestResamples to kMostResamples; 0 = intervals by profile
  std::vector<double> gaps;  ///< per cent
};
/// Fits of the kinds of models, the gaps between them, laws of parameters and tokens. Throws Error (exit 3)
/// where no kind has a fit.
Tables scaling_tables(const std::vector<ModelPoint>& points, const ScalingTablesOptions& options, const std::string& where);

/// A benchmark's result: the first of the metrics that a model has.
struct BenchmarkScore {
  std::string name;  ///< as it was asked for
  std::string task;
  std::vector<std::string> metrics;
  bool higher_is_better;
};
/// From TASK or TASK:METRIC; without a metric acc_norm, else acc. Throws Error (exit 2) where a metric is unknown, or has no better
/// and worse.
BenchmarkScore parse_benchmark_score(const std::string& text);
/// Which sizes no other of that size beats: by validation loss, or by `score` where it is not null. Throws Error (exit 3) where no
/// model has it.
Tables pareto_tables(const Study& study, const BenchmarkScore* score, const std::string& where);
/// By loss.
Tables pareto_tables(const std::vector<ModelPoint>& points, const std::string& where);

/// Runs, what the interventions in them did over so many per cent of the run on each side, and their spikes.
Tables dynamics_tables(const std::vector<TrainingRun>& runs, double percent);

/// A run to set beside another one.
struct RunPair {
  const TrainingRun *run, *base;
};
/// The first run beside each of the others.
std::vector<RunPair> pairs_with_first(const std::vector<TrainingRun>& runs);
/// Every low-bit run of a suite (no ablations) beside the FloatLMs of the two next smaller sizes. `runs` are named as its models.
std::vector<RunPair> pairs_of(const Study& study, const std::vector<TrainingRun>& runs);
/// Training losses over the base's, in so many windows. Throws Error (exit 3) where there is nothing to compare.
Tables relative_tables(const std::vector<RunPair>& pairs, int windows);

/// The linear layers' weights, histograms from -range to range.
Tables weights_tables(const fs::path& model, double range);
/// Model directories of a run, oldest first; `path` itself where it is no run. Throws Error (exit 3) where a run has none yet.
std::vector<fs::path> models_of(const fs::path& path);
/// Connections of the last model, and what changed from each to the next.
Tables connections_tables(const std::vector<fs::path>& models);

/// Accelerators and their trends.
Tables hardware_tables(const std::vector<Accelerator>& accelerators);
/// The largest models that fit, and how fast they can decode, at so many bits a linear weight.
Tables memory_tables(const std::vector<Accelerator>& accelerators, const std::vector<double>& bits);

/// Stereotypes, toxicity and truthfulness of the models of a suite. Throws Error (exit 3) where none was evaluated on them.
Tables bias_tables(const Study& study, const std::string& where);

/// The names of the tables that the paper printed.
Tables printed_tables();
/// One of them. Throws Error listing the names.
Tables printed_table(const std::string& name);

}  // namespace spectra::analysis
