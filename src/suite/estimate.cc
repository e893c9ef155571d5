// SPDX-License-Identifier: Apache-2.0
#include "suite/estimate.h"

#include <algorithm>
#include <map>

#include "base/parallel.h"
#include "train/train_benchmark.h"

namespace spectra::suite {
namespace {

constexpr int64_t kMeasured = 20'000'000;  ///< parameters up to which a size is measured itself
constexpr double kStart = 0.15;            ///< seconds that a command takes to start
constexpr int64_t kTokens = 2048;

/// FLOP/s of a few steps of this model; of a large one, of a few layers that are nearly as fast as its own.
double measure(model::Config c) {
  if (model::count_parameters(c).total() > kMeasured) c.hidden = 512, c.glu = 1280, c.heads = 8, c.layers = 2, c.vocab = 4096;
  train::TrainBenchmarkOptions options;
  options.family = model::family_name(c.family);
  options.hidden = c.hidden, options.glu = c.glu, options.heads = c.heads, options.layers = c.layers, options.vocab = c.vocab;
  options.sequence = std::min(c.max_position, kTokens), options.batch = kTokens / options.sequence;
  options.precision = "auto", options.steps = 2, options.warmup = 1;
  return train::benchmark_training(options).flops_per_second();
}

}  // namespace

std::vector<double> expected_seconds(const Plan& plan, const Standing& standing, double gflops) {
  set_compute_threads(plan.threads);
  std::map<std::string, double> rates;  // FLOP/s by size
  std::map<size_t, double> of_job;
  for (const PlannedModel& m : plan.models) {
    std::vector<size_t> jobs = {m.made_by, m.packed_by, m.validated_by, m.tasks_by};
    for (const auto& text : m.texts_by) jobs.push_back(text.second);
    for (const size_t job : jobs) {
      if (job == kNoJob || !standing.left(job)) continue;
      if (rates.count(m.size) == 0) rates[m.size] = gflops > 0 ? gflops * 1e9 : measure(m.config);
      of_job[job] = rates[m.size];
    }
  }
  std::vector<double> seconds;
  for (size_t i = 0; i < plan.jobs.size(); ++i) {
    const auto rate = of_job.find(i);
    seconds.push_back(kStart + plan.jobs[i].seconds + (rate == of_job.end() ? 0 : plan.jobs[i].flops / rate->second));
  }
  return seconds;
}

}  // namespace spectra::suite
