// SPDX-License-Identifier: Apache-2.0
#include "analysis/paper_tables.h"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/paper.h"
#include "base/error.h"
#include "model/config.h"

namespace spectra::analysis {
namespace {

TEST(PaperTables, AveragesFollowFromTheColumns) {
  const Table& scores = paper_table("scores").table;
  int suite = 0, binary = 0;
  for (const auto& row : scores.rows) {
    const double printed = row[column_of(scores, "average6")].value, mean = six_task_average(scores, row);
    if (row[0].text != "BiLM") {
      EXPECT_NEAR(mean, printed, 0.05 + 1e-9) << row[0].text << " " << row[1].text;
      ++suite;
    } else {  // what the paper prints for these is something else
      EXPECT_GT(mean - printed, 1.5) << row[1].text;
      ++binary;
    }
  }
  EXPECT_EQ(suite, 54);
  EXPECT_EQ(binary, 3);
}

TEST(PaperTables, SizesAreThoseOfTheArchitecture) {
  const Table& sizes = paper_table("sizes").table;
  ASSERT_EQ(sizes.rows.size(), model::spectra_sizes().size());
  const std::pair<const char*, double> bits[] = {{"FloatLM", 16},         {"QuantLM 8-bit", 8},    {"QuantLM 6-bit", 6},
                                                 {"QuantLM 4-bit", 4.25}, {"QuantLM 3-bit", 3.25}, {"TriLM", 1.58}};
  for (const auto& row : sizes.rows) {
    const model::Config config = model::config_of_size(model::size_from_name(row[0].text), model::Family::kFloat);
    for (const auto& [kind, width] : bits)
      EXPECT_NEAR(row[column_of(sizes, kind)].value, model::size_in_bits(config, width) / 1e9, 0.00501) << row[0].text << kind;
  }
}

TEST(PaperTables, EveryModelHasBothRowsOfScores) {
  const Table &scores = paper_table("scores").table, &more = paper_table("more_scores").table;
  ASSERT_EQ(scores.rows.size(), 57u);
  ASSERT_EQ(more.rows.size(), 57u);
  for (size_t i = 0; i < scores.rows.size(); ++i)
    for (const size_t column : {size_t{0}, size_t{1}}) EXPECT_EQ(scores.rows[i][column].text, more.rows[i][column].text);
}

TEST(PaperTables, AgreeWithTheConstants) {
  const Table& fits = paper_table("fits").table;
  for (const auto& row : fits.rows) {
    if (row[1].text != "offset") continue;
    const PaperFit& fit = row[0].text == "TriLM" ? kPaperTernary : kPaperFloat;
    EXPECT_EQ(row[2].value, fit.a);
    EXPECT_EQ(row[3].value, fit.alpha);
    EXPECT_EQ(row[4].value, fit.offset);
  }
  EXPECT_EQ(paper_binary_gap().size(), 3u);
  EXPECT_EQ(paper_binary_gap()[1].value, 0.155);
  EXPECT_EQ(paper_binary_gap()[1].parameters, 569.2e6);
  ASSERT_EQ(paper_six_task_average("TriLM").size(), 9u);
  EXPECT_EQ(paper_six_task_average("TriLM")[8].value, 60.7);
  EXPECT_NEAR(paper_six_task_average("BiLM")[0].value, 42.2, 0.05);
  EXPECT_TRUE(paper_six_task_average("unheard of").empty());
  EXPECT_TRUE(std::isnan(paper_table("runs_100b").table.rows[3][2].value));
  EXPECT_THROW(paper_table("unheard of"), Error);
}

}  // namespace
}  // namespace spectra::analysis
