// SPDX-License-Identifier: Apache-2.0
// Scaling laws of the kinds of models, the gaps between them, and laws of parameters and tokens.
#include "analysis/fit/scaling_law.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/fit/scaling_gaps.h"
#include "analysis/model_points.h"
#include "base/error.h"
#include "cli/analyze.h"

namespace spectra::cli {
namespace {

using analysis::Cell;
using analysis::Interval;
using analysis::ModelPoint;
using analysis::ScalingFit;
using analysis::SizeMean;
using analysis::Table;

constexpr int kGapResamples = 400;                                  // without --bootstrap
constexpr int64_t kFewestResamples = 200, kMostResamples = 100000;  // fewer have no 2.5 percentile worth the name

/// Sizes of one kind of models, a column for each quantity.
struct Sizes {
  std::vector<double> parameters, tokens, loss;
  size_t models = 0;
};

struct KindFit {
  std::string kind;
  ScalingFit fit;
  std::vector<ScalingFit> resampled;
  double smallest, largest;  ///< parameters
};

Sizes sizes_of(const std::vector<ModelPoint>& points, const std::string& kind, bool by_tokens) {
  Sizes sizes;
  for (const SizeMean& mean : analysis::size_means(points, kind, by_tokens)) {
    sizes.parameters.push_back(mean.parameters), sizes.tokens.push_back(mean.tokens), sizes.loss.push_back(mean.loss);
    sizes.models += mean.models;
  }
  return sizes;
}

size_t different(const std::vector<double>& values) { return std::set<double>(values.begin(), values.end()).size(); }

void add(std::vector<Cell>& row, double value, const Interval& interval) {
  row.insert(row.end(), {Cell(value), Cell(interval.low), Cell(interval.high)});
}

void append(std::string& list, const std::string& item, const char* between) { list += (list.empty() ? "" : between) + item; }

/// `seed`: of the resampled residuals; another for each kind, whose errors have nothing to do with each other.
KindFit fit_kind(const AnalyzeOptions& options, const std::string& kind, const Sizes& sizes, uint64_t seed) {
  const auto [smallest, largest] = std::minmax_element(sizes.parameters.begin(), sizes.parameters.end());
  KindFit one{kind, analysis::fit_scaling_law(sizes.parameters, sizes.loss, !options.pure), {}, *smallest, *largest};
  const int resamples = options.bootstrap > 0 ? static_cast<int>(options.bootstrap) : kGapResamples;
  one.resampled = analysis::resampled_fits(one.fit, sizes.parameters, sizes.loss, !options.pure, resamples, seed);
  if (options.bootstrap > 0) {
    const auto intervals = analysis::intervals_of(one.resampled);
    one.fit.a_interval = intervals.a, one.fit.alpha_interval = intervals.alpha, one.fit.offset_interval = intervals.offset;
  }
  return one;
}

/// A pure law tends to 0, and its gaps to nothing that the data could show; nor is a limit one whose interval has no end.
Table gap_table(const std::vector<KindFit>& fits, const std::vector<double>& percents, bool pure) {
  Table table{{"kind", "base", "percent", "parameters", "parameters_low", "parameters_high", "extrapolated", "limit_percent",
               "limit_low", "limit_high"},
              {}};
  const auto base = std::find_if(fits.begin(), fits.end(), [](const KindFit& one) { return one.kind == "FloatLM"; });
  if (base == fits.end()) return table;
  for (const KindFit& one : fits) {
    if (one.kind == base->kind) continue;
    Interval limit = pure ? Interval{} : analysis::limiting_gap_interval(one.resampled, base->resampled);
    const bool bounded = std::isfinite(limit.low) && std::isfinite(limit.high);
    if (!bounded) limit = {};
    const double smallest = std::max(one.smallest, base->smallest), largest = std::min(one.largest, base->largest);
    for (const double percent : percents) {
      const double size = analysis::size_at_gap(one.fit, base->fit, percent);
      std::vector<Cell> row = {one.kind, base->kind, percent};
      add(row, size, analysis::size_at_gap_interval(one.resampled, base->resampled, percent));
      row.push_back(std::isnan(size) ? "–" : size < smallest || size > largest ? "yes" : "no");
      add(row, bounded ? analysis::limiting_gap_percent(one.fit, base->fit) : analysis::kUnknown, limit);
      table.rows.push_back(row);
    }
  }
  return table;
}

/// L(N, D), for the kinds whose models saw different numbers of tokens. `left_out`: those that do not determine it, and why.
Table token_table(const std::vector<ModelPoint>& points, std::string& left_out) {
  Table table{{"kind", "points", "models", "a", "a_low", "a_high", "alpha", "alpha_low", "alpha_high", "b", "b_low", "b_high",
               "beta", "beta_low", "beta_high", "offset", "offset_low", "offset_high", "rms"},
              {}};
  for (const std::string& kind : analysis::kinds_of(points)) {
    const Sizes sizes = sizes_of(points, kind, true);
    if (sizes.loss.size() < 5 || different(sizes.tokens) < 3 || different(sizes.parameters) < 3) continue;
    try {
      const analysis::DataScalingFit fit = analysis::fit_data_scaling_law(sizes.parameters, sizes.tokens, sizes.loss);
      std::vector<Cell> row = {kind, static_cast<double>(sizes.loss.size()), static_cast<double>(sizes.models)};
      add(row, fit.a, fit.a_interval);
      add(row, fit.alpha, fit.alpha_interval);
      add(row, fit.b, fit.b_interval);
      add(row, fit.beta, fit.beta_interval);
      add(row, fit.offset, fit.offset_interval);
      row.push_back(fit.rms);
      table.rows.push_back(row);
    } catch (const Error& error) {
      append(left_out, fmt::format("no law of parameters and tokens for {}: {}", kind, error.what()), "; ");
    }
  }
  return table;
}

Table fit_table(const std::vector<ModelPoint>& points, const AnalyzeOptions& options, std::vector<KindFit>& fits,
                std::string& left_out) {
  Table table{{"kind", "sizes", "models", "a", "a_low", "a_high", "alpha", "alpha_low", "alpha_high", "offset", "offset_low",
               "offset_high", "rms"},
              {}};
  for (const std::string& kind : analysis::kinds_of(points)) {
    const Sizes sizes = sizes_of(points, kind, false);
    if (sizes.loss.size() < (options.pure ? 2u : 3u)) {
      append(left_out, fmt::format("{} has too few sizes", kind), "; ");
      continue;
    }
    try {
      fits.push_back(fit_kind(options, kind, sizes, fits.size() + 1));
    } catch (const Error& error) {
      append(left_out, fmt::format("{}: {}", kind, error.what()), "; ");
      continue;
    }
    const ScalingFit& fit = fits.back().fit;
    std::vector<Cell> row = {kind, static_cast<double>(sizes.loss.size()), static_cast<double>(sizes.models)};
    add(row, fit.a, fit.a_interval);
    add(row, fit.alpha, fit.alpha_interval);
    add(row, fit.offset, fit.offset_interval);
    row.push_back(fit.rms);
    table.rows.push_back(row);
  }
  return table;
}

}  // namespace

Tables analyze_scaling(const AnalyzeOptions& options) {
  const std::vector<ModelPoint> points = analysis::read_points(only_input(options, "a suite or a CSV file"));
  if (options.bootstrap != 0 && (options.bootstrap < kFewestResamples || options.bootstrap > kMostResamples))
    throw Error(Exit::kUsage, fmt::format("--bootstrap {} is out of range", options.bootstrap),
                fmt::format("{} to {} resamples, or 0 for profiles", kFewestResamples, kMostResamples));
  const std::vector<double> percents = number_list(options.gaps, "--gaps");
  std::vector<KindFit> fits;
  std::string left_out;
  const Table table = fit_table(points, options, fits, left_out);
  if (fits.empty())
    throw bad_input(fmt::format("{}: no kind of model has a fit{}{}", options.inputs[0], left_out.empty() ? "" : ": ", left_out),
                    "a fit needs three sizes, with --pure two");
  const auto unknown =
      std::count_if(points.begin(), points.end(), [](const ModelPoint& p) { return !std::isfinite(p.parameters); });
  if (unknown > 0) append(left_out, fmt::format("{} models without parameters left out", unknown), "; ");
  const Table gaps = gap_table(fits, percents, options.pure), tokens = token_table(points, left_out);
  if (gaps.rows.empty() && fits.size() > 1) append(left_out, "no gaps, for no kind with a fit is called FloatLM", "; ");
  Tables tables = {{"fits", table,
                    fmt::format("loss = a / parameters^alpha{}, 95 % intervals by {}{}{}", options.pure ? "" : " + offset",
                                options.bootstrap > 0 ? "bootstrap" : "profile", left_out.empty() ? "" : "; ", left_out)}};
  if (!gaps.rows.empty())
    tables.push_back(
        {"gaps", gaps,
         "size from which on a kind's loss is at most so many per cent above FloatLM's, and what the gap tends to; 95 % "
         "intervals by bootstrap, extrapolated: beyond the sizes of both"});
  if (!tokens.rows.empty()) tables.push_back({"tokens", tokens, "loss = a / parameters^alpha + b / tokens^beta + offset"});
  return tables;
}

}  // namespace spectra::cli
