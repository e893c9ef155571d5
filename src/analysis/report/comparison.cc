// SPDX-License-Identifier: Apache-2.0
// Two models beside each other: paired tests with their intervals drawn, and what the models take.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/report/sections.h"
#include "base/units.h"

namespace spectra::analysis {
namespace {

constexpr double kWhiskerWidth = 120, kWhiskerHeight = 18;

/// The largest distance from 0 of tests in the same unit, so that their whiskers can be compared.
double reach_of(const Comparison& comparison, const ComparedTest& test) {
  double reach = 1e-12;
  for (const ComparedTest& other : comparison.tests)
    if ((other.compared == test.compared) && (other.compared != "metric" || other.metric == test.metric))
      reach = std::max({reach, std::abs(other.low), std::abs(other.high)});
  return reach;
}

/// A dot for the difference, a line for its interval, a tick at 0.
std::string whisker(const ComparedTest& test, double reach) {
  const auto at = [&](double value) { return kWhiskerWidth / 2 + value / reach * (kWhiskerWidth / 2 - 6); };
  const double y = kWhiskerHeight / 2;
  const bool clear = test.low > 0 || test.high < 0;
  return fmt::format(
      "<svg class=\"whisker\" viewBox=\"0 0 {0} {1}\" role=\"img\" aria-label=\"{2} to {3}\"><path class=\"axis\" d=\"M{4:.1f} "
      "1V{5:.1f}\"/>"
      "<path class=\"bar\" style=\"stroke:var({6})\" d=\"M{7:.1f} {8:.1f}H{9:.1f}\"/><circle style=\"fill:var({6})\" "
      "cx=\"{10:.1f}\" cy=\"{8:.1f}\" "
      "r=\"3.5\"/></svg>",
      kWhiskerWidth, kWhiskerHeight, Cell(test.low).text, Cell(test.high).text, at(0), kWhiskerHeight - 1,
      clear ? "--c1" : "--soft", at(test.low), y, at(test.high), at(test.difference));
}

Table shown_tests(const Comparison& comparison) {
  Table table{{"task", "compared", "documents", "A", "B", "B − A", "95 % interval", "", "p", "Holm p"}, {}};
  for (const ComparedTest& test : comparison.tests) {
    Cell picture(test.difference);
    picture.picture = whisker(test, reach_of(comparison, test));
    table.rows.push_back({test.task, test.compared == "metric" ? test.metric : test.compared, Cell(test.documents),
                          Cell::fixed(test.a, 4), Cell::fixed(test.b, 4), Cell::fixed(test.difference, 4), picture,
                          fmt::format("{} to {}", Cell::fixed(test.low, 4).text, Cell::fixed(test.high, 4).text),
                          Cell::fixed(test.p, 4), Cell::fixed(test.holm_p, 4)});
  }
  return table;
}

Table saved_tests(const Comparison& comparison) {
  Table table{{"task", "compared", "documents", "a", "b", "difference", "low", "high", "p", "holm_p"}, {}};
  for (const ComparedTest& test : comparison.tests)
    table.rows.push_back({test.task, test.compared == "metric" ? test.metric : test.compared, Cell(test.documents), Cell(test.a),
                          Cell(test.b), Cell(test.difference), Cell(test.low), Cell(test.high), Cell(test.p), Cell(test.holm_p)});
  return table;
}

Table costs(const Comparison& comparison) {
  const ComparedModel &a = comparison.a, &b = comparison.b;
  const auto bytes = [](double value) { return Cell(value, format_bytes(static_cast<uint64_t>(value))); };
  Table table{{"", "A", "B", "B / A"}, {}};
  table.rows.push_back({"size on disk", bytes(a.disk_bytes), bytes(b.disk_bytes), Cell::fixed(b.disk_bytes / a.disk_bytes, 3)});
  table.rows.push_back({"bits of a linear weight", Cell::fixed(a.bits_per_linear_weight, 3),
                        Cell::fixed(b.bits_per_linear_weight, 3),
                        Cell::fixed(b.bits_per_linear_weight / a.bits_per_linear_weight, 3)});
  if (a.decode_tokens_per_second > 0 && b.decode_tokens_per_second > 0)
    table.rows.push_back({"decode, tokens/s", Cell::fixed(a.decode_tokens_per_second, 1),
                          Cell::fixed(b.decode_tokens_per_second, 1),
                          Cell::fixed(b.decode_tokens_per_second / a.decode_tokens_per_second, 3)});
  if (comparison.text)
    table.rows.push_back({"perplexity of the text", Cell::fixed(comparison.text->perplexity_a, 3),
                          Cell::fixed(comparison.text->perplexity_b, 3),
                          Cell::fixed(comparison.text->perplexity_b / comparison.text->perplexity_a, 3)});
  return table;
}

std::string sentence(const Comparison& comparison) {
  std::string text;
  size_t clear = 0;
  for (const ComparedTest& test : comparison.tests) clear += test.holm_p < 0.05;
  if (!comparison.tests.empty())
    text += fmt::format("{} of {} tests differ at 5 % after Holm's correction. ", clear, comparison.tests.size());
  if (comparison.text)
    text += fmt::format(
        "On {} tokens of text KL(A ‖ B) is {:.4f} ± {:.4f} nats, and both find the same token most probable in {:.1f} % of "
        "places. ",
        Cell(comparison.text->tokens).text, comparison.text->kl, comparison.text->kl_stderr, 100 * comparison.text->top1_agreement);
  return text;
}

std::string one(const Comparison& comparison, size_t index) {
  std::string html = fmt::format("<h3>A: {}<br>B: {}</h3>\n<p>{}Activations: {}.</p>\n", escaped(comparison.a.path),
                                 escaped(comparison.b.path), escaped(sentence(comparison)), escaped(comparison.activations));
  if (!comparison.tests.empty())
    html += to_html(shown_tests(comparison), "Paired tests") +
            "<p class=\"soft\">Means of A and B and their difference over the same documents, with its bootstrap interval drawn "
            "around 0; p is "
            "McNemar's mid-p for what is right or wrong, else the bootstrap's. " +
            csv_link(saved_tests(comparison), fmt::format("comparison-{}.csv", index), fmt::format("comparison-{}.csv", index)) +
            "</p>\n";
  return html + to_html(costs(comparison), "What the models take");
}

}  // namespace

Section comparison_section(const std::vector<Comparison>& comparisons) {
  Section section{"comparisons", "Comparison", ""};
  for (size_t i = 0; i < comparisons.size(); ++i) section.after += one(comparisons[i], i + 1);
  return section;
}

}  // namespace spectra::analysis
