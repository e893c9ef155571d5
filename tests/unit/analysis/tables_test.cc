// SPDX-License-Identifier: Apache-2.0
// Tables that `spectra analyze` prints: what is in them is tested where it is computed.
#include "analysis/tables/tables.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"

namespace spectra::analysis {
namespace {

ModelPoint point(const std::string& kind, double parameters, double loss) {
  ModelPoint one;
  one.name = kind, one.kind = kind, one.parameters = parameters, one.loss = loss;
  return one;
}

Exit code_of(const std::string& score) {
  try {
    parse_benchmark_score(score);
  } catch (const Error& error) {
    return error.code();
  }
  return Exit::kOk;
}

TEST(Tables, EveryRowHasEveryColumn) {
  std::vector<ModelPoint> points;
  for (const double size : {1e6, 2e6, 4e6, 8e6})
    for (const char* kind : {"FloatLM", "TriLM"}) points.push_back(point(kind, size, 1 + 50 / std::pow(size, 0.3)));
  std::vector<Tables> all = {scaling_tables(points, {.pure = false, .resamples = 0, .gaps = {10, 5}}, "here"),
                             pareto_tables(points, "here"),
                             hardware_tables(known_accelerators()),
                             memory_tables(known_accelerators(), {16, 1.58}),
                             printed_tables(),
                             printed_table("scores")};
  for (const Tables& tables : all)
    for (const NamedTable& named : tables) {
      EXPECT_FALSE(named.name.empty());
      EXPECT_FALSE(named.table.rows.empty()) << named.name;
      for (const auto& row : named.table.rows) EXPECT_EQ(row.size(), named.table.columns.size()) << named.name;
    }
}

TEST(Tables, ParetoMarksWhatNothingBeats) {
  const Table table = pareto_tables({point("A", 1e6, 3), point("B", 2e6, 3.1), point("C", 3e6, 2)}, "here")[0].table;
  std::string marks;
  for (const auto& row : table.rows) marks += row[8].text + " ";
  EXPECT_EQ(table.columns[8], "best_by_parameters");
  EXPECT_EQ(marks, "yes no yes ");
  EXPECT_THROW(pareto_tables(std::vector<ModelPoint>(), "here"), Error);
}

TEST(Tables, ScoresKnowWhichWayIsBetter) {
  EXPECT_EQ(parse_benchmark_score("piqa").metrics, (std::vector<std::string>{"acc_norm", "acc"}));
  EXPECT_TRUE(parse_benchmark_score("piqa:acc").higher_is_better);
  EXPECT_FALSE(parse_benchmark_score("lambada_openai:perplexity").higher_is_better);
  EXPECT_EQ(parse_benchmark_score("lambada_openai:perplexity").task, "lambada_openai");
  EXPECT_EQ(code_of("piqa:luck"), Exit::kUsage);
  EXPECT_EQ(code_of("crows_pairs_english:pct_stereotype"), Exit::kUsage);
}

TEST(Tables, PairsAreTheFirstBesideTheOthers) {
  std::vector<TrainingRun> runs(3);
  const std::vector<RunPair> pairs = pairs_with_first(runs);
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_EQ(pairs[1].run, &runs[0]);
  EXPECT_EQ(pairs[1].base, &runs[2]);
  EXPECT_TRUE(pairs_with_first({}).empty());
  EXPECT_THROW(relative_tables({}, 5), Error);
}

}  // namespace
}  // namespace spectra::analysis
