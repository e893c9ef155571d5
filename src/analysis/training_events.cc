// SPDX-License-Identifier: Apache-2.0
#include "analysis/training_events.h"

#include <algorithm>
#include <cmath>

namespace spectra::analysis {
namespace {

double median(std::vector<double> values) {
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(middle), values.end());
  return values[middle];
}

/// Mean and slope (a token) of the losses of lines with from < tokens <= to.
struct Window {
  int lines = 0;
  double mean = 0, slope = 0;
};
Window window_of(const TrainingRun& run, double from, double to) {
  Window window;
  double tokens = 0, products = 0, squares = 0;
  const auto each = [&](const auto& visit) {
    for (const LogPoint& point : run.log)
      if (point.tokens > from && point.tokens <= to && std::isfinite(point.loss)) visit(point);
  };
  each([&](const LogPoint& point) { ++window.lines, tokens += point.tokens, window.mean += point.loss; });
  if (window.lines == 0) return window;
  tokens /= window.lines, window.mean /= window.lines;
  each([&](const LogPoint& point) {
    products += (point.tokens - tokens) * (point.loss - window.mean);
    squares += (point.tokens - tokens) * (point.tokens - tokens);
  });
  window.slope = squares > 0 ? products / squares : 0;
  return window;
}

}  // namespace

std::vector<EventEffect> event_effects(const TrainingRun& run, double window) {
  std::vector<EventEffect> effects;
  if (run.log.empty()) return effects;
  const double total = run.log.back().tokens, width = window * total;
  for (const auto& [name, at] : {std::pair("lr_drop", run.lr_drop_at), std::pair("decay_off", run.decay_off_at)}) {
    if (std::isnan(at)) continue;
    double previous = 0;  // the last line before the event belongs to the window before it
    for (const LogPoint& point : run.log)
      if (point.tokens < at) previous = point.tokens;
    const Window before = window_of(run, previous - width, previous), after = window_of(run, previous, previous + width);
    if (before.lines < 2 || after.lines < 2) continue;
    effects.push_back({name, at, before.mean, after.mean, before.slope * total / 100, after.slope * total / 100});
  }
  return effects;
}

std::vector<Spike> loss_spikes(const TrainingRun& run) {
  constexpr size_t kBefore = 50, kFewest = 10;
  std::vector<Spike> spikes;
  std::vector<double> calm;  // losses outside of spikes
  bool inside = false;
  for (const LogPoint& point : run.log) {
    if (!std::isfinite(point.loss)) continue;
    bool stands_out = false;
    if (calm.size() >= kFewest) {
      const std::vector<double> before(calm.end() - static_cast<ptrdiff_t>(std::min(kBefore, calm.size())), calm.end());
      const double level = median(before);
      std::vector<double> distances;
      for (const double loss : before) distances.push_back(std::abs(loss - level));
      stands_out = point.loss - level > std::max(0.1, 6 * 1.4826 * median(distances));
      if (stands_out && !inside) spikes.push_back({point.tokens, point.loss, level});
      if (stands_out && point.loss > spikes.back().loss) spikes.back().tokens = point.tokens, spikes.back().loss = point.loss;
    }
    if (!stands_out) calm.push_back(point.loss);
    inside = stands_out;
  }
  return spikes;
}

double final_loss(const TrainingRun& run, double share) {
  if (run.log.empty()) return LogPoint::kAbsent;
  const double total = run.log.back().tokens;
  const Window window = window_of(run, total * (1 - share), total);
  return window.lines > 0 ? window.mean : LogPoint::kAbsent;
}

std::vector<LossRatio> relative_loss(const TrainingRun& run, const TrainingRun& base, int windows) {
  std::vector<LossRatio> ratios;
  if (run.log.empty() || base.log.empty()) return ratios;
  const double total = std::min(run.log.back().tokens, base.log.back().tokens);
  for (int i = 0; i < windows; ++i) {
    const double from = total * i / windows, to = total * (i + 1) / windows;
    const Window a = window_of(run, from, to), b = window_of(base, from, to);
    if (a.lines > 0 && b.lines > 0) ratios.push_back({(from + to) / 2, a.mean / b.mean});
  }
  return ratios;
}

}  // namespace spectra::analysis
