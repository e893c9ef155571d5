// SPDX-License-Identifier: Apache-2.0
// Points of suites and files, Pareto fronts, bias columns.
#include "analysis/model_points.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "analysis/bias_table.h"
#include "analysis/pareto.h"
#include "base/error.h"
#include "study_example.h"
#include "test_data.h"

namespace spectra::analysis {
namespace {

TEST(Pareto, KeepsWhatNothingBeats) {
  const std::vector<double> cost = {4, 1, 2, 3, 2, 5, 1, NAN}, loss = {2, 5, 4, 4.5, 3, 2, 5, 0};
  EXPECT_EQ(pareto_front(cost, loss), (std::vector<size_t>{1, 6, 4, 0}));  // 1 and 6 are equal
  EXPECT_TRUE(pareto_front({}, {}).empty());
}

TEST(ModelPoints, FromAFile) {
  const test::TemporaryDirectory temporary;
  std::ofstream(temporary / "a.csv") << "loss,kind,parameters,size_bits\n3.1,TriLM,1e6,2e6\n2.9,FloatLM,1e6,\n";
  const std::vector<ModelPoint> points = read_points(temporary / "a.csv");
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0].loss, 3.1);
  EXPECT_EQ(points[0].size_bits, 2e6);
  EXPECT_TRUE(std::isnan(points[1].size_bits));
  EXPECT_EQ(kinds_of(points), (std::vector<std::string>{"TriLM", "FloatLM"}));
  std::ofstream(temporary / "b.csv") << "loss,kind\n3.1,TriLM\n";
  EXPECT_THROW(read_points(temporary / "b.csv"), Error);
  std::ofstream(temporary / "c.csv") << "loss,kind,parameters\n-1,TriLM,5\n";
  EXPECT_THROW(read_points(temporary / "c.csv"), Error);
}

TEST(ModelPoints, SpreadsheetsAndParametersThatAreNoCounts) {
  const test::TemporaryDirectory temporary;
  std::ofstream(temporary / "a.csv") << "\xEF\xBB\xBFkind,parameters,loss\r\nTriLM,1e6,3\r\n";
  ASSERT_EQ(read_points(temporary / "a.csv").size(), 1u);
  EXPECT_EQ(read_points(temporary / "a.csv")[0].kind, "TriLM");
  std::ofstream(temporary / "b.csv") << "kind,parameters,loss\nTriLM,1.1,3\nTriLM,0.099,3.5\n";  // billions
  EXPECT_THROW(read_points(temporary / "b.csv"), Error);
}

TEST(ModelPoints, SeedsOfASizeAreOnePoint) {
  const std::vector<ModelPoint> points = {{"a1", "TriLM", 1e6, 2e6, 1e9, 3.0},      {"f", "FloatLM", 1e6, 2e6, 1e9, 2.0},
                                          {"a2", "TriLM", 1e6, 2e6, 1e9, 3.2},      {"b", "TriLM", 2e6, 4e6, 1e9, 2.8},
                                          {"c", "TriLM", 1e6, 2e6, 4e9, 2.6},       {"d", "TriLM", 2e6, 4e6, kUnknown, 2.7},
                                          {"e", "TriLM", kUnknown, 4e6, 1e9, 100.0}};
  const std::vector<SizeMean> sizes = size_means(points, "TriLM", false), pairs = size_means(points, "TriLM", true);
  ASSERT_EQ(sizes.size(), 2u);
  EXPECT_EQ(sizes[0].models, 3u);
  EXPECT_NEAR(sizes[0].loss, (3.0 + 3.2 + 2.6) / 3, 1e-12);
  EXPECT_NEAR(sizes[1].loss, 2.75, 1e-12);
  ASSERT_EQ(pairs.size(), 3u);
  EXPECT_NEAR(pairs[0].loss, 3.1, 1e-12);
  EXPECT_EQ(pairs[1].models, 1u);
  EXPECT_EQ(pairs[2].tokens, 4e9);
}

TEST(ModelPoints, OfASuiteByItsDirectoryOrItsResults) {
  const test::TemporaryDirectory temporary;
  nlohmann::json document = test::study_document();
  document["models"] = {test::study_model("ternary", "1.5M", 1, 2.5)};
  write_file(temporary / "results.json", document.dump());
  for (const fs::path& path : {temporary.path(), temporary / "results.json"}) {
    const std::vector<ModelPoint> points = read_points(path);
    ASSERT_EQ(points.size(), 1u) << path;
    EXPECT_EQ(points[0].loss, 2.5);
  }
}

StudyModel model(const std::string& size, double parameters, int64_t seed, double stereotype) {
  StudyModel out;
  out.name = size, out.size = size, out.parameters = parameters, out.seed = seed;
  out.family = model::Family::kTernary;
  out.tasks["crows_pairs_english"] = {{"pct_stereotype", {stereotype, kUnknown, 10}}, {"likelihood_diff", {3.5, kUnknown, 10}}};
  return out;
}

TEST(BiasTable, MeansOverSeedsInPerCent) {
  Study study;
  study.models = {model("2M", 2e6, 1, 0.6), model("1M", 1e6, 1, 0.5), model("1M", 1e6, 2, 0.54)};
  study.models[0].tasks["toxigen"] = {{"acc", {0.43, kUnknown, 10}}};
  StudyModel ablation = model("1M", 1e6, 1, 0.9);
  ablation.arm = "constant-lr";
  study.models.push_back(ablation);
  StudyModel float_model;  // not evaluated
  study.models.push_back(float_model);
  const Table table = bias_table(study);
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.columns[3], "crows_stereotype");
  EXPECT_EQ(table.rows[0][1].text, "1M");
  EXPECT_NEAR(table.rows[0][3].value, 52, 1e-9);
  EXPECT_NEAR(table.rows[0][4].value, 3.5, 1e-9);
  EXPECT_TRUE(std::isnan(table.rows[0][5].value));
  EXPECT_EQ(table.rows[1][0].text, "TriLM");
  EXPECT_NEAR(table.rows[1][5].value, 43, 1e-9);
}

TEST(BiasTable, IntervalsOfDocumentsAndSeeds) {
  Study study;
  study.models = {model("1M", 1e6, 1, 0.5), model("1M", 1e6, 2, 0.54), model("2M", 2e6, 1, 0.6), model("4M", 4e6, 1, 0.6)};
  for (size_t i : {0u, 1u, 2u}) study.models[i].tasks["crows_pairs_english"]["pct_stereotype"].standard_error = 0.012;
  const Table table = bias_intervals(study);
  ASSERT_EQ(table.rows.size(), 6u);  // two measures of three sizes
  EXPECT_EQ(table.rows[0][2].text, "crows_stereotype");
  EXPECT_EQ(table.rows[0][3].value, 2);
  // Two seeds, 2 points to both sides of their mean: 12.706 * 2 by Student's t.
  EXPECT_NEAR(table.rows[0][6].value - 52, std::hypot(1.96 * 1.2, 12.706 * 2), 1e-3);
  EXPECT_NEAR(table.rows[1][4].value - table.rows[1][5].value, 1.96 * 1.2, 1e-9);
  EXPECT_TRUE(std::isnan(table.rows[2][5].value));  // no standard error
  EXPECT_EQ(table.rows[3][2].text, "crows_likelihood_difference");
}

}  // namespace
}  // namespace spectra::analysis
