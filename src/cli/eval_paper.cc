// SPDX-License-Identifier: Apache-2.0
// The benchmark tables of the Spectra paper (its tables 6, 7, 9, 12, 13) for one model.
#include <fmt/format.h>

#include <algorithm>

#include "cli/eval.h"

namespace spectra::cli {
namespace {

/// A column shows one or several parts, with "/" between them. Each is a metric of a row, in per cent where factor is 100.
struct Part {
  const char *row, *metric;
  double factor = 100;
};
struct Column {
  const char* title;
  std::vector<Part> parts;
};

const std::vector<Column>& first_table() {
  static const std::vector<Column> columns = {
      {"ARC-C norm/acc", {{"arc_challenge", "acc_norm"}, {"arc_challenge", "acc"}}},
      {"ARC-E norm/acc", {{"arc_easy", "acc_norm"}, {"arc_easy", "acc"}}},
      {"BoolQ", {{"boolq", "acc"}}},
      {"HellaSwag norm/acc", {{"hellaswag", "acc_norm"}, {"hellaswag", "acc"}}},
      {"PIQA norm/acc", {{"piqa", "acc_norm"}, {"piqa", "acc"}}},
      {"WinoGrande", {{"winogrande", "acc"}}},
  };
  return columns;
}

const std::vector<Column>& second_table() {
  static const std::vector<Column> columns = {
      {"LAMBADA ppl/acc", {{"lambada_openai", "perplexity", 1}, {"lambada_openai", "acc"}}},
      {"SciQ norm/acc", {{"sciq", "acc_norm"}, {"sciq", "acc"}}},
      {"LogiQA norm/acc", {{"logiqa", "acc_norm"}, {"logiqa", "acc"}}},
      {"TriviaQA", {{"triviaqa", "exact_match"}}},
      {"CrowS diff/stereo", {{"crows_pairs_english", "likelihood_diff"}, {"crows_pairs_english", "pct_stereotype"}}},
      {"BBQ", {{"bbq", "acc"}}},
      {"TruthfulQA", {{"truthfulqa_mc1", "acc"}}},
      {"MMLU stem/hum/soc/oth",
       {{"mmlu_continuation_stem", "acc"},
        {"mmlu_continuation_humanities", "acc"},
        {"mmlu_continuation_social_sciences", "acc"},
        {"mmlu_continuation_other", "acc"}}},
      {"MMLU", {{"mmlu_continuation", "acc"}}},
  };
  return columns;
}

/// The score that a part shows; null where it was not measured.
const eval::Score* find_score(const std::vector<eval::TaskResult>& results, const Part& part) {
  for (const eval::TaskResult& result : results)
    for (const eval::ScoreRow& row : result.rows)
      for (const eval::Score& score : row.scores)
        if (row.name == part.row && score.metric == part.metric) return &score;
  return nullptr;
}

std::string cell(const std::vector<eval::TaskResult>& results, const Column& column) {
  std::string text;
  bool any = false;
  for (const Part& part : column.parts) {
    const eval::Score* score = find_score(results, part);
    text += text.empty() ? "" : "/";
    text += score == nullptr ? "-" : fmt::format("{:.1f}", score->value * part.factor);
    any = any || score != nullptr;
  }
  return any ? text : "-";
}

struct TitledCell {
  std::string title, value;
};
std::string table(const std::vector<TitledCell>& cells) {
  std::string titles, values;
  bool any = false;
  for (const TitledCell& c : cells) {
    const size_t width = std::max(c.title.size(), c.value.size()) + 2;
    titles += fmt::format("{:>{}}", c.title, width);
    values += fmt::format("{:>{}}", c.value, width);
    any = any || c.value != "-";
  }
  return any ? titles + "\n" + values + "\n" : "";
}

/// The mean of the first part of each column; "-" unless all were measured.
std::string average(const std::vector<eval::TaskResult>& results) {
  double sum = 0;
  for (const Column& column : first_table()) {
    const eval::Score* score = find_score(results, column.parts[0]);
    if (score == nullptr) return "-";
    sum += 100 * score->value;
  }
  return fmt::format("{:.1f}", sum / static_cast<double>(first_table().size()));
}

}  // namespace

const std::vector<std::string>& paper_tasks() {
  static const std::vector<std::string> names = {"arc_easy",      "arc_challenge",     "hellaswag",      "boolq",
                                                 "piqa",          "winogrande",        "lambada_openai", "sciq",
                                                 "logiqa",        "mmlu_continuation", "triviaqa",       "crows_pairs_english",
                                                 "truthfulqa_mc1"};
  return names;
}

std::string paper_tables(const std::vector<eval::TaskResult>& results) {
  std::vector<TitledCell> first, second;
  for (const Column& column : first_table()) first.push_back({column.title, cell(results, column)});
  first.push_back({"average of six", average(results)});
  for (const Column& column : second_table()) second.push_back({column.title, cell(results, column)});
  const std::string upper = table(first), lower = table(second);
  return upper + (upper.empty() || lower.empty() ? "" : "\n") + lower;
}

}  // namespace spectra::cli
