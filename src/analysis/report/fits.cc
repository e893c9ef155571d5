// SPDX-License-Identifier: Apache-2.0
// Scaling laws of a study's families, drawn through their losses and written out, and the paper's beside.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "analysis/paper.h"
#include "analysis/report/sections.h"
#include "base/error.h"

namespace spectra::analysis {
namespace {

constexpr double kFarthest = 0.05;  ///< that a law may be from a mean of the losses that it is fitted to, as a share

constexpr size_t kCurvePoints = 60;

std::string interval_text(const Interval& interval, int digits) {
  if (!std::isfinite(interval.low) || !std::isfinite(interval.high)) return "not determined by these sizes";
  return fmt::format("{:.{}f} to {:.{}f}", interval.low, digits, interval.high, digits);
}

}  // namespace

std::optional<FamilyFit> fit_family(const Study& study, const Kind& kind) {
  FamilyFit fit;
  fit.kind = kind;
  std::vector<double> n, loss;
  const std::vector<SizeGroup> groups = by_size(study, kind, validation_loss);
  for (const SizeGroup& group : groups) n.push_back(group.parameters), loss.push_back(group.mean.mean);
  if (groups.size() < 3) return std::nullopt;
  fit.smallest = groups.front().parameters, fit.largest = groups.back().parameters;
  fit.with_offset = groups.size() > 3;  // three sizes would be met exactly by three coefficients
  try {
    fit.law = fit_scaling_law(n, loss, fit.with_offset);
  } catch (const Error&) {
    return std::nullopt;
  }
  // A law that the data contradict is not shown.
  if (fit.with_offset && fit.law.offset >= *std::min_element(loss.begin(), loss.end())) return std::nullopt;
  for (size_t i = 0; i < n.size(); ++i)
    if (std::abs(fit.law.at(n[i]) / loss[i] - 1) > kFarthest) return std::nullopt;
  return fit;
}

Series curve_of(const FamilyFit& fit) {
  Series series{kind_name(fit.kind), {}, {}, kind_colour(fit.kind)};
  series.hover = false;
  for (size_t i = 0; i < kCurvePoints; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(kCurvePoints - 1);
    series.x.push_back(fit.smallest * std::pow(fit.largest / fit.smallest, share));
    series.y.push_back(fit.law.at(series.x.back()));
  }
  return series;
}

std::string equation_of(const FamilyFit& fit) {
  const ScalingFit& law = fit.law;
  std::string text = fmt::format("{}: L = {:.4g}·N<sup>−{:.3f}</sup>", kind_name(fit.kind), law.a, law.alpha);
  if (fit.with_offset) text += fmt::format(" + {:.3f}", law.offset);
  text += fmt::format(" (exponent {}", interval_text(law.alpha_interval, 3));
  if (fit.with_offset) text += fmt::format(", limit {}", interval_text(law.offset_interval, 3));
  return text + fmt::format("; rms {:.4f})", law.rms);
}

Chart paper_fits_chart() {
  Chart chart{"The paper's scaling laws", "parameters", "validation loss, nats a token", {}};
  chart.log_x = true;
  for (const Kind& kind : {kFloatLM, kTriLM}) {
    const PaperFit& law = kind == kFloatLM ? kPaperFloat : kPaperTernary;
    Series curve{kind_name(kind), {}, {}, kind_colour(kind)};
    curve.dashed = true;
    for (const PaperPoint& size : paper_sizes()) {
      curve.x.push_back(size.parameters);
      curve.y.push_back(law.at(size.parameters));
      curve.notes.push_back(fmt::format("the paper's law for {}s at {}", kind_name(kind), size.size));
    }
    chart.series.push_back(curve);
  }
  return chart;
}

}  // namespace spectra::analysis
