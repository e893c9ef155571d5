// SPDX-License-Identifier: Apache-2.0
// Scaling laws of the kinds of models, the gaps between them, and laws of parameters and tokens.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/fit/scaling_gaps.h"
#include "analysis/fit/scaling_law.h"
#include "analysis/model_points.h"
#include "analysis/tables/tables.h"
#include "base/error.h"

namespace spectra::analysis {
namespace {

constexpr int kGapResamples = 400;  // for gaps, where the intervals of the laws are profiles

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
  for (const SizeMean& mean : size_means(points, kind, by_tokens)) {
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

/// `seed` is that of the resampled residuals: another one for each kind, because their errors have nothing to do with each other.
KindFit fit_kind(const ScalingTablesOptions& options, const std::string& kind, const Sizes& sizes, uint64_t seed) {
  const auto [smallest, largest] = std::minmax_element(sizes.parameters.begin(), sizes.parameters.end());
  KindFit one{kind, fit_scaling_law(sizes.parameters, sizes.loss, !options.pure), {}, *smallest, *largest};
  const int resamples = options.resamples > 0 ? options.resamples : kGapResamples;
  one.resampled = resampled_fits(one.fit, sizes.parameters, sizes.loss, !options.pure, resamples, seed);
  if (options.resamples > 0) {
    const auto intervals = intervals_of(one.resampled);
    one.fit.a_interval = intervals.a, one.fit.alpha_interval = intervals.alpha, one.fit.offset_interval = intervals.offset;
  }
  return one;
}

/// A row for each kind and percentage. A pure law tends to 0, so the data cannot show what its gaps tend to, and there is no limit
/// then; nor is there one where its interval has no end.
Table gap_table(const std::vector<KindFit>& fits, const std::vector<double>& percents, bool pure) {
  Table table{{"kind", "base", "percent", "parameters", "parameters_low", "parameters_high", "extrapolated", "limit_percent",
               "limit_low", "limit_high"},
              {}};
  const auto base = std::find_if(fits.begin(), fits.end(), [](const KindFit& one) { return one.kind == "FloatLM"; });
  if (base == fits.end()) return table;
  for (const KindFit& one : fits) {
    if (one.kind == base->kind) continue;
    Interval limit = pure ? Interval{} : limiting_gap_interval(one.resampled, base->resampled);
    const bool bounded = std::isfinite(limit.low) && std::isfinite(limit.high);
    if (!bounded) limit = {};
    const double smallest = std::max(one.smallest, base->smallest), largest = std::min(one.largest, base->largest);
    for (const double percent : percents) {
      const double size = size_at_gap(one.fit, base->fit, percent);
      std::vector<Cell> row = {one.kind, base->kind, percent};
      add(row, size, size_at_gap_interval(one.resampled, base->resampled, percent));
      row.push_back(std::isnan(size) ? "–" : size < smallest || size > largest ? "yes" : "no");
      add(row, bounded ? limiting_gap_percent(one.fit, base->fit) : kUnknown, limit);
      table.rows.push_back(row);
    }
  }
  return table;
}

/// The law of parameters and tokens, for the kinds whose models saw different numbers of tokens. Kinds that do not determine it are
/// named in `left_out`, with the reason.
Table token_table(const std::vector<ModelPoint>& points, std::string& left_out) {
  Table table{{"kind", "points", "models", "a", "a_low", "a_high", "alpha", "alpha_low", "alpha_high", "b", "b_low", "b_high",
               "beta", "beta_low", "beta_high", "offset", "offset_low", "offset_high", "rms"},
              {}};
  for (const std::string& kind : kinds_of(points)) {
    const Sizes sizes = sizes_of(points, kind, true);
    if (sizes.loss.size() < 5 || different(sizes.tokens) < 3 || different(sizes.parameters) < 3) continue;
    try {
      const DataScalingFit fit = fit_data_scaling_law(sizes.parameters, sizes.tokens, sizes.loss);
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

Table fit_table(const std::vector<ModelPoint>& points, const ScalingTablesOptions& options, std::vector<KindFit>& fits,
                std::string& left_out) {
  Table table{{"kind", "sizes", "models", "a", "a_low", "a_high", "alpha", "alpha_low", "alpha_high", "offset", "offset_low",
               "offset_high", "rms"},
              {}};
  for (const std::string& kind : kinds_of(points)) {
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

Tables scaling_tables(const std::vector<ModelPoint>& points, const ScalingTablesOptions& options, const std::string& where) {
  std::vector<KindFit> fits;
  std::string left_out;
  const Table table = fit_table(points, options, fits, left_out);
  if (fits.empty())
    throw bad_input(fmt::format("{}: no kind of model has a fit{}{}", where, left_out.empty() ? "" : ": ", left_out),
                    "a fit needs three sizes, with --pure two");
  const auto unknown =
      std::count_if(points.begin(), points.end(), [](const ModelPoint& p) { return !std::isfinite(p.parameters); });
  if (unknown > 0) append(left_out, fmt::format("{} models without parameters left out", unknown), "; ");
  const Table gaps = gap_table(fits, options.gaps, options.pure), tokens = token_table(points, left_out);
  if (gaps.rows.empty() && fits.size() > 1) append(left_out, "no gaps, for no kind with a fit is called FloatLM", "; ");
  Tables tables = {{"fits", table,
                    fmt::format("loss = a / parameters^alpha{}, 95 % intervals by {}{}{}", options.pure ? "" : " + offset",
                                options.resamples > 0 ? "bootstrap" : "profile", left_out.empty() ? "" : "; ", left_out)}};
  if (!gaps.rows.empty())
    tables.push_back(
        {"gaps", gaps,
         "size from which on a kind's loss is at most so many per cent above FloatLM's, and what the gap tends to; 95 % "
         "intervals by bootstrap, extrapolated: beyond the sizes of both"});
  if (!tokens.rows.empty()) tables.push_back({"tokens", tokens, "loss = a / parameters^alpha + b / tokens^beta + offset"});
  return tables;
}

}  // namespace spectra::analysis
