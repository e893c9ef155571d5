// SPDX-License-Identifier: Apache-2.0
// A study in words and numbers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/pareto.h"
#include "analysis/report/sections.h"
#include "base/units.h"

namespace spectra::analysis {
namespace {

std::string item(const std::string& text) { return "<li>" + text + "</li>\n"; }

/// "+0.081 ± 0.012 (95 % interval, 3 seeds)".
std::string with_margin(const Mean& mean) {
  const std::string sign = mean.mean < 0 ? "−" : "+";
  if (mean.count < 2) return fmt::format("{}{:.3f} (one seed, so no interval)", sign, std::abs(mean.mean));
  return fmt::format("{}{:.3f} ± {:.3f} (95 % interval over {} seeds)", sign, std::abs(mean.mean), mean.margin, mean.count);
}

const SizeDifference* of_size(const std::vector<SizeDifference>& all, const std::string& size) {
  for (const SizeDifference& one : all)
    if (one.size == size) return &one;
  return nullptr;
}

/// Sizes of the suite's own evaluated models, smallest first.
std::vector<std::string> sizes_of(const Study& study) {
  std::map<double, std::string> sizes;
  for (const StudyModel& model : study.models)
    if (model.arm.empty() && std::isfinite(model.validation_loss)) sizes[model.parameters] = model.size;
  std::vector<std::string> out;
  for (const auto& entry : sizes)
    if (std::find(out.begin(), out.end(), entry.second) == out.end()) out.push_back(entry.second);
  return out;
}

/// Words on the largest size that has both models.
std::string gap_item(const Study& study, const Kind& kind, const Kind& base) {
  const std::vector<SizeDifference> gaps = differences(study, kind, base, validation_loss);
  if (gaps.empty()) return "";
  const SizeDifference& gap = gaps.back();
  std::string losses;
  for (const Kind& one : {kind, base})
    for (const SizeGroup& group : by_size(study, one, validation_loss))
      if (group.size == gap.size) losses += fmt::format("{} reaches {:.3f} nats a token, ", kind_name(one), group.mean.mean);
  return item(fmt::format("At <strong>{}</strong>, {}a difference of {}.", escaped(gap.size), losses, with_margin(gap.mean)));
}

/// A row a size: losses of the trained kinds and their differences.
Table sizes_table(const Study& study) {
  Table table{{"size", "FloatLM", "TriLM", "BiLM", "TriLM − FloatLM", "±", "BiLM − TriLM", "±"}, {}};
  const std::vector<SizeDifference> ternary = differences(study, kTriLM, kFloatLM, validation_loss),
                                    binary = differences(study, kBiLM, kTriLM, validation_loss);
  for (const std::string& size : sizes_of(study)) {
    std::vector<Cell> row = {size};
    for (const Kind& kind : {kFloatLM, kTriLM, kBiLM}) {
      double loss = kUnknown;
      for (const SizeGroup& group : by_size(study, kind, validation_loss))
        if (group.size == size) loss = group.mean.mean;
      row.push_back(Cell::fixed(loss, 3));
    }
    for (const auto* gaps : {&ternary, &binary}) {
      const SizeDifference* gap = of_size(*gaps, size);
      row.push_back(Cell::fixed(gap ? gap->mean.mean : kUnknown, 3));
      row.push_back(Cell::fixed(gap ? gap->mean.margin : kUnknown, 3));
    }
    table.rows.push_back(row);
  }
  return table;
}

/// A number with its sign and two digits that count: "+0.0032", "−0.00002".
std::string signed_text(double value) {
  const double size = std::abs(value);
  const int digits = size > 0 ? std::clamp(1 - static_cast<int>(std::floor(std::log10(size))), 3, 6) : 3;
  return fmt::format("{}{:.{}f}", value < 0 ? "−" : "+", size, digits);
}

std::string quantized_item(const Study& study) {
  std::string text;
  for (const Kind& kind : kinds_of(study)) {
    if (kind.bits == 0) continue;
    const std::vector<SizeDifference> added = differences(study, kind, kFloatLM, validation_loss);
    if (added.empty()) continue;
    double low = added[0].mean.mean, high = low;
    for (const SizeDifference& size : added) low = std::min(low, size.mean.mean), high = std::max(high, size.mean.mean);
    text += fmt::format("{}{} bits {}{}", text.empty() ? "" : ", ", kind.bits, signed_text(low),
                        added.size() > 1 ? " to " + signed_text(high) : "");
  }
  return text.empty() ? "" : item("Rounding FloatLMs after training changes their loss: " + text + " nats a token.");
}

/// Which kinds hold the places where no smaller model is better.
std::string front_item(const Study& study) {
  std::vector<double> bits, losses;
  std::vector<std::string> names;
  for (const Kind& kind : kinds_of(study))
    for (const SizeGroup& group : by_size(study, kind, validation_loss))
      bits.push_back(group.bits), losses.push_back(group.mean.mean), names.push_back(kind_name(kind));
  std::map<std::string, int> counts;
  for (const size_t i : pareto_front(bits, losses)) ++counts[names[i]];
  std::string text;
  for (const auto& entry : counts) text += fmt::format("{}{} × {}", text.empty() ? "" : ", ", entry.second, entry.first);
  return counts.size() < 2 ? "" : item("No model of fewer bits is better than these: " + text + ".");
}

/// The job that makes this very page does not count.
std::string progress_sentence(const Study& study) {
  std::map<std::string, int> states;
  int all = 0;
  for (const StudyJob& job : study.jobs)
    if (job.kind != "report") ++states[job.state], ++all;
  const bool finished = study.finished || (all > 0 && states["waiting"] + states["running"] == 0);
  std::string text = fmt::format("{}: {} of {} jobs done", finished ? "Finished" : "Still running", states["done"], all);
  if (states["running"] > 0) text += fmt::format(", {} running", states["running"]);
  if (states["failed"] > 0) text += fmt::format(", {} failed", states["failed"]);
  if (std::isfinite(study.seconds)) text += fmt::format(", {} of work", format_duration(study.seconds));
  return text + ".";
}

}  // namespace

Section summary_section(const Study& study) {
  Section section{"summary", "Summary", ""};
  section.after = "<p>" + escaped(progress_sentence(study)) + "</p>\n<ul>\n" + gap_item(study, kTriLM, kFloatLM) +
                  gap_item(study, kBiLM, kTriLM) + front_item(study) + quantized_item(study) + "</ul>\n";
  const Table sizes = sizes_table(study);
  if (!sizes.rows.empty())
    section.after +=
        to_html(sizes, "Losses by size") +
        "<p class=\"soft\">Validation losses in nats a token, means over seeds; ± is half the 95 % t-interval of a difference over "
        "the seeds that both models have.</p>\n";
  return section;
}

}  // namespace spectra::analysis
