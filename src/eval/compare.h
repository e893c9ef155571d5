// SPDX-License-Identifier: Apache-2.0
#pragma once
// Two models on the same documents and the same text.
#include <optional>
#include <string>
#include <vector>

#include "eval/evaluate.h"
#include "eval/statistics.h"
#include "infer/engine.h"
#include "infer/perplexity.h"

namespace spectra::eval {

/// One metric of one task. Of perplexities the documents' log-likelihoods are compared, in nats: more is better.
struct TaskComparison {
  std::string task, metric;
  bool log_likelihood = false;  ///< what is compared is not the metric itself
  int64_t documents = 0;
  double a = 0, b = 0;  ///< means
  PairedTest bootstrap;
  std::optional<McNemar> mcnemar;  ///< of metrics that are 0 or 1 for a document

  std::optional<double> p() const { return mcnemar ? std::optional(mcnemar->mid_p) : bootstrap.p; }
  std::optional<double> holm_p;  ///< p(), corrected for the number of rows that have one
};
/// A row for each metric of each task but acc_bytes and those on which no document counts; both lists hold the same tasks and
/// documents.
std::vector<TaskComparison> compare_tasks(const std::vector<TaskResult>& a, const std::vector<TaskResult>& b, int64_t resamples);

/// How alike two models predict a text.
struct Divergence {
  int64_t tokens = 0;
  double kl = 0, kl_stderr = 0;  ///< mean over tokens of KL(a || b), nats
  double top1_agreement = 0;     ///< share of positions where both have the same most probable token
  double perplexity_a = 0, perplexity_b = 0;
};
/// Softmax over the first `vocab` rows of both heads. Windows as infer::make_windows cuts them.
Divergence measure_divergence(infer::Engine& a, infer::Engine& b, const std::vector<infer::Window>& windows, int64_t vocab);

}  // namespace spectra::eval
