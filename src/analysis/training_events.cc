// SPDX-License-Identifier: Apache-2.0
#include "analysis/training_events.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace spectra::analysis {
namespace {

double median(std::vector<double> values) {
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(middle), values.end());
  return values[middle];
}

/// The line fitted to some losses: y = mean + slope * (x - center).
struct LossTrend {
  size_t lines = 0;
  double center = 0, mean = 0, slope = 0;
  double spread = 0;   ///< sum of the squared distances of x from its center
  double squares = 0;  ///< the sum of the squared residuals
  double at(double x) const { return mean + slope * (x - center); }
  /// Variance of at(x), from the residuals; NaN without any to spare.
  double variance_at(double x) const {
    if (lines < 3 || !(spread > 0)) return LogPoint::kAbsent;
    const double count = static_cast<double>(lines);
    return squares / (count - 2) * (1 / count + (x - center) * (x - center) / spread);
  }
};
LossTrend fit_trend(const std::vector<double>& x, const std::vector<double>& y) {
  LossTrend trend;
  trend.lines = x.size();
  if (x.empty()) return trend;
  const double count = static_cast<double>(x.size());
  for (size_t i = 0; i < x.size(); ++i) trend.center += x[i] / count, trend.mean += y[i] / count;
  double products = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    products += (x[i] - trend.center) * (y[i] - trend.mean);
    trend.spread += (x[i] - trend.center) * (x[i] - trend.center);
  }
  trend.slope = trend.spread > 0 ? products / trend.spread : 0;
  for (size_t i = 0; i < x.size(); ++i) trend.squares += (y[i] - trend.at(x[i])) * (y[i] - trend.at(x[i]));
  return trend;
}

/// Losses over tokens, of the lines with from < tokens <= to.
LossTrend trend_of(const TrainingRun& run, double from, double to) {
  std::vector<double> tokens, losses;
  for (const LogPoint& point : run.log)
    if (point.tokens > from && point.tokens <= to && std::isfinite(point.loss))
      tokens.push_back(point.tokens), losses.push_back(point.loss);
  return fit_trend(tokens, losses);
}

constexpr size_t kBefore = 50, kFewest = 10, kLast = 5;

/// What calm lines let expect of the next one, and how far above it a line stands out.
struct Expectation {
  double level, margin;
};
Expectation expect_next(const std::vector<double>& calm) {
  const std::vector<double> before(calm.end() - static_cast<ptrdiff_t>(std::min(kBefore, calm.size())), calm.end());
  std::vector<double> numbers(before.size()), distances;
  std::iota(numbers.begin(), numbers.end(), 0.0);
  const LossTrend trend = fit_trend(numbers, before);
  for (size_t i = 0; i < before.size(); ++i) distances.push_back(std::abs(before[i] - trend.at(numbers[i])));
  // Where a steep fall ends, its line goes on below the curve: the last lines know better.
  const double level =
      std::max(trend.at(static_cast<double>(before.size())), median({before.end() - static_cast<ptrdiff_t>(kLast), before.end()}));
  return {level, std::max(0.1, 6 * 1.4826 * median(distances))};
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
    const LossTrend before = trend_of(run, previous - width, previous), after = trend_of(run, previous, previous + width);
    if (before.lines < 2 || after.lines < 2) continue;
    effects.push_back({name, at, before.mean, after.mean, after.at(at) - before.at(at),
                       std::sqrt(before.variance_at(at) + after.variance_at(at)), before.slope * total / 100,
                       after.slope * total / 100});
  }
  return effects;
}

std::vector<Spike> loss_spikes(const TrainingRun& run) {
  std::vector<Spike> spikes;
  std::vector<double> calm;  // losses outside of spikes
  size_t inside = 0;         // lines of the spike that the last line belongs to
  for (const LogPoint& point : run.log) {
    if (!std::isfinite(point.loss)) continue;
    bool stands_out = false;
    if (calm.size() >= kFewest) {
      const Expectation expected = expect_next(calm);
      stands_out = point.loss - expected.level > expected.margin;
      if (stands_out && inside == 0) spikes.push_back({point.tokens, point.loss, expected.level});
      if (stands_out && point.loss > spikes.back().loss) spikes.back().tokens = point.tokens, spikes.back().loss = point.loss;
    }
    inside = stands_out ? inside + 1 : 0;
    if (!stands_out || inside > kBefore) calm.push_back(point.loss);
  }
  return spikes;
}

double final_loss(const TrainingRun& run, double share) {
  if (run.log.empty()) return LogPoint::kAbsent;
  const double total = run.log.back().tokens;
  const LossTrend window = trend_of(run, total * (1 - share), total);
  return window.lines > 0 ? window.mean : LogPoint::kAbsent;
}

std::vector<LossRatio> relative_loss(const TrainingRun& run, const TrainingRun& base, int windows) {
  std::vector<LossRatio> ratios;
  if (run.log.empty() || base.log.empty()) return ratios;
  const double total = std::min(run.log.back().tokens, base.log.back().tokens);
  for (int i = 0; i < windows; ++i) {
    const double from = total * i / windows, to = total * (i + 1) / windows;
    const LossTrend a = trend_of(run, from, to), b = trend_of(base, from, to);
    if (a.lines > 0 && b.lines > 0) ratios.push_back({(from + to) / 2, a.mean / b.mean});
  }
  return ratios;
}

}  // namespace spectra::analysis
