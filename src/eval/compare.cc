// SPDX-License-Identifier: Apache-2.0
#include "eval/compare.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/system.h"

namespace spectra::eval {
namespace {

/// Of the bootstrap's draws.
constexpr uint64_t kSeed = 1;
/// Rows of logits that are asked of a pass: two models with 64 x 50304 floats each take 26 MB.
constexpr int64_t kRows = 64;

TaskComparison compare_metric(const TaskResult& a, const TaskResult& b, const Metric& metric, int64_t resamples) {
  TaskComparison row;
  row.task = a.name;
  row.metric = metric.name;
  row.log_likelihood = metric.aggregate != Aggregate::kMean;
  std::vector<double> values_a, values_b;
  bool right_or_wrong = true;
  for (size_t i = 0; i < a.documents.size(); ++i) {
    const double x = metric.value(a.task, a.documents[i], a.answers[i]), y = metric.value(b.task, b.documents[i], b.answers[i]);
    if (std::isnan(x) || std::isnan(y)) continue;
    values_a.push_back(x);
    values_b.push_back(y);
    right_or_wrong = right_or_wrong && (x == 0 || x == 1) && (y == 0 || y == 1);
  }
  row.documents = static_cast<int64_t>(values_a.size());
  if (values_a.empty()) return row;
  row.a = mean(values_a);
  row.b = mean(values_b);
  row.bootstrap = paired_bootstrap(values_a, values_b, resamples, kSeed);
  if (right_or_wrong) row.mcnemar = mcnemar(values_a, values_b);
  return row;
}

/// Log-probabilities of `logits`, in place.
void log_softmax(double* logits, int64_t count) {
  const double largest = *std::max_element(logits, logits + count);
  double total = 0;
  for (int64_t i = 0; i < count; ++i) total += std::exp(logits[i] - largest);
  const double log_sum = largest + std::log(total);
  for (int64_t i = 0; i < count; ++i) logits[i] -= log_sum;
}

/// Sums over positions of a text.
class Sums {
 public:
  explicit Sums(int64_t vocab) : vocab_(vocab) {}

  void add(const float* logits_a, const float* logits_b, int32_t target) {
    const std::vector<double> a = predicted(logits_a), b = predicted(logits_b);
    double kl = 0;
    for (size_t i = 0; i < a.size(); ++i) kl += std::exp(a[i]) * (a[i] - b[i]);
    if (std::isnan(kl))
      throw Error(Exit::kFailed, "the logits of a model are not finite", "its weights are damaged, or its activations overflow");
    kl_.push_back(kl);
    agreed_ += std::max_element(a.begin(), a.end()) - a.begin() == std::max_element(b.begin(), b.end()) - b.begin();
    nll_a_ -= a[static_cast<size_t>(target)];
    nll_b_ -= b[static_cast<size_t>(target)];
  }

  Divergence result() const {
    const auto n = static_cast<double>(kl_.size());
    return {static_cast<int64_t>(kl_.size()),
            mean(kl_),
            kl_.size() > 1 ? mean_stderr(kl_) : 0,
            static_cast<double>(agreed_) / n,
            std::exp(nll_a_ / n),
            std::exp(nll_b_ / n)};
  }

 private:
  std::vector<double> predicted(const float* logits) const {
    std::vector<double> p(logits, logits + vocab_);
    log_softmax(p.data(), vocab_);
    return p;
  }
  int64_t vocab_;
  std::vector<double> kl_;
  int64_t agreed_ = 0;
  double nll_a_ = 0, nll_b_ = 0;
};

}  // namespace

std::vector<TaskComparison> compare_tasks(const std::vector<TaskResult>& a, const std::vector<TaskResult>& b, int64_t resamples) {
  SPECTRA_CHECK(a.size() == b.size());
  std::vector<TaskComparison> rows;
  for (size_t t = 0; t < a.size(); ++t) {
    bool likelihood = false;  // the three perplexities of a rolling task compare the same numbers
    for (const std::string& name : a[t].task.metrics) {
      const Metric& metric = *find_metric(name, a[t].task.kind);
      if (name == "acc_bytes" || (likelihood && metric.aggregate != Aggregate::kMean)) continue;
      likelihood = likelihood || metric.aggregate != Aggregate::kMean;
      TaskComparison row = compare_metric(a[t], b[t], metric, resamples);
      if (row.documents > 0) rows.push_back(std::move(row));
    }
  }
  std::vector<double> p;
  for (const TaskComparison& row : rows)
    if (row.p()) p.push_back(*row.p());
  const std::vector<double> corrected = holm(p);
  auto next = corrected.begin();
  for (TaskComparison& row : rows)
    if (row.p()) row.holm_p = *next++;
  return rows;
}

Divergence measure_divergence(infer::Engine& a, infer::Engine& b, const std::vector<infer::Window>& windows, int64_t vocab) {
  Sums sums(vocab);
  infer::Engine* const engines[] = {&a, &b};
  for (const infer::Window& window : windows) {
    const int32_t sequences[] = {a.open_sequence(), b.open_sequence()};
    const auto count = static_cast<int64_t>(window.input.size());
    for (int64_t begin = 0; begin < count; begin += kRows) {
      check_interrupted();
      infer::Results results[2];
      std::vector<int32_t> targets;
      for (size_t m = 0; m < 2; ++m) {
        infer::Batch batch;
        targets.clear();
        for (int64_t i = begin; i < std::min(count, begin + kRows); ++i) {
          batch.add(window.input[static_cast<size_t>(i)], static_cast<int32_t>(i), sequences[m]);
          if (i < window.first) continue;
          batch.logits_at.push_back(static_cast<int32_t>(i - begin));
          targets.push_back(window.targets[static_cast<size_t>(i - window.first)]);
        }
        results[m] = engines[m]->forward(batch);
      }
      for (size_t i = 0; i < targets.size(); ++i)
        sums.add(results[0].next(i).logits().data(), results[1].next(i).logits().data(), targets[i]);
    }
    a.close_sequence(sequences[0]);
    b.close_sequence(sequences[1]);
  }
  return sums.result();
}

}  // namespace spectra::eval
