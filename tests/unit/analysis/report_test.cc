// SPDX-License-Identifier: Apache-2.0
#include "analysis/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/chart.h"
#include "base/error.h"
#include "format/safetensors.h"
#include "test_data.h"

namespace spectra::analysis {
namespace {

/// A run directory as the trainer makes it: a falling loss, the ternary interventions at half and two thirds.
fs::path make_run(const fs::path& root, const std::string& name, model::Family family, int steps) {
  const fs::path run = root / name, checkpoint = run / "checkpoints" / "step-00000100";
  fs::create_directories(checkpoint);
  std::string log;
  for (int step = 1; step <= steps; ++step) {
    const double lr = step * 2 > steps ? 0.001 : 0.002, decay = step * 3 > steps * 2 ? 0.0 : 0.1;
    nlohmann::json line = {{"step", step},          {"tokens", step * 1000}, {"loss", 4.0 / std::sqrt(step)}, {"lr", lr},
                           {"weight_decay", decay}, {"grad_norm", 1.0},      {"tokens_per_second", 5000}};
    if (step % 10 == 0) line["validation_loss"] = 4.0 / std::sqrt(step) + 0.1;
    log += line.dump() + "\n";
  }
  write_file(run / "log.jsonl", log);
  model::Config config;
  config.hidden = 64, config.glu = 128, config.heads = config.kv_heads = 2, config.layers = 1, config.vocab = 256;
  config.family = family;
  write_file(checkpoint / "config.json", model::config_to_json(config, "float16"));
  format::SafetensorsWriter writer(checkpoint / "model.safetensors", {{"model.norm.weight", DType::kF32, {64}}});
  const std::vector<float> ones(64, 1.0f);
  writer.write(ones.data(), ones.size() * 4);
  writer.close();
  return run;
}

TEST(ReadRun, FindsFamilySizeAndInterventions) {
  const test::TemporaryDirectory temporary;
  const TrainingRun run = read_run(make_run(temporary.path(), "tri", model::Family::kTernary, 60));
  EXPECT_EQ(run.name, "tri");
  EXPECT_EQ(run.config.family, model::Family::kTernary);
  EXPECT_DOUBLE_EQ(run.bits, 16.0 * 2 * 256 * 64 + 1.58 * (4 * 64 * 64 + 3 * 64 * 128));
  EXPECT_EQ(run.lr_drop_at, 31000);
  EXPECT_EQ(run.decay_off_at, 41000);
  EXPECT_NEAR(run.validation_loss, 4.0 / std::sqrt(60) + 0.1, 1e-12);
}

TEST(ReadRun, ErrorsSayWhatIsMissing) {
  const test::TemporaryDirectory temporary;
  EXPECT_THROW(read_run(temporary.path()), Error);
  const fs::path run = make_run(temporary.path(), "bad", model::Family::kFloat, 5);
  const std::string log = read_file(run / "log.jsonl");
  write_file(run / "log.jsonl", "{\"step\": 1\n" + log);
  try {
    read_run(run);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("line 1"), std::string::npos) << error.what();
  }
  write_file(run / "log.jsonl", log + "{\"step\": 6, \"tok");  // killed while writing: the rest is still a log
  EXPECT_EQ(read_run(run).log.size(), 5u);
}

TEST(Report, OneFileWithoutTheNetwork) {
  const test::TemporaryDirectory temporary;
  const std::vector<TrainingRun> runs = {read_run(make_run(temporary.path(), "float", model::Family::kFloat, 900)),
                                         read_run(make_run(temporary.path(), "tri<1>", model::Family::kTernary, 900))};
  const std::string html = report_html(runs, {{"float", "Once", " upon <b>"}}, "A & B");
  EXPECT_EQ(html.find("http://"), std::string::npos);
  EXPECT_EQ(html.find("https://"), std::string::npos);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("nan"), std::string::npos);
  EXPECT_NE(html.find("A &amp; B"), std::string::npos);
  EXPECT_NE(html.find("tri&lt;1&gt;"), std::string::npos);
  EXPECT_NE(html.find("Once upon &lt;b&gt;"), std::string::npos);
  EXPECT_NE(html.find("weight decay off"), std::string::npos);
  EXPECT_LT(html.size(), 400'000u);
}

TEST(Report, JsonAndCsvHoldTheLog) {
  const test::TemporaryDirectory temporary;
  const std::vector<TrainingRun> runs = {read_run(make_run(temporary.path(), "float", model::Family::kFloat, 20))};
  const auto json = nlohmann::json::parse(report_json(runs));
  EXPECT_EQ(json["schema"], "spectra.report/1");
  EXPECT_EQ(json["runs"][0]["log"]["loss"].size(), 20u);
  EXPECT_TRUE(json["runs"][0]["log"]["validation_loss"][0].is_null());
  const std::string csv = report_csv(runs);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 21);
}

TEST(Chart, TicksAreRoundAndCover) {
  EXPECT_EQ(ticks(0, 10), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  const std::vector<double> small = ticks(2.31, 2.58);
  EXPECT_GE(small.size(), 3u);
  EXPECT_LE(small.size(), 7u);
  EXPECT_GE(small.front(), 2.31);
  EXPECT_LE(small.back(), 2.58 + 1e-9);
}

TEST(Chart, SmoothingKeepsAConstantAndIgnoresGaps) {
  EXPECT_EQ(smoothed({2, 2, 2}, 3), (std::vector<double>{2, 2, 2}));
  EXPECT_DOUBLE_EQ(smoothed({1, NAN, 1}, 1)[2], 1);
}

}  // namespace
}  // namespace spectra::analysis
