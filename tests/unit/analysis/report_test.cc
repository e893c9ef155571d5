// SPDX-License-Identifier: Apache-2.0
#include "analysis/report/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/chart/axes.h"
#include "analysis/chart/chart.h"
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
  const std::string html = report_html({"A & B", "spectra report", runs, {}, {}, {{"float", "Once", " upon <b>"}}});
  EXPECT_EQ(html.find("http://"), std::string::npos);
  EXPECT_EQ(html.find("https://"), std::string::npos);
  EXPECT_EQ(html.find("nan"), std::string::npos);
  EXPECT_NE(html.find("A &amp; B"), std::string::npos);
  EXPECT_NE(html.find("tri&lt;1&gt;"), std::string::npos);
  EXPECT_NE(html.find("Once upon &lt;b&gt;"), std::string::npos);
  EXPECT_NE(html.find("weight decay off"), std::string::npos);
  EXPECT_LT(html.size(), 400'000u);
}

/// Two lines of statistics of one layer, as the trainer writes them.
void add_layers(const fs::path& run) {
  std::string text;
  for (const int step : {10, 20}) {
    nlohmann::json line = {{"step", step}, {"layers", nlohmann::json::array()}};
    for (const double scale : {0.1, 0.3})
      line["layers"].push_back({{"name", "layers.0.self_attn.q_proj"},
                                {"scales", {scale * step, scale * step}},
                                {"zero_fraction", 0.3},
                                {"flip_fraction", 0.01},
                                {"near_fraction", 0.05},
                                {"distance", 0.5}});
    text += line.dump() + "\n";
  }
  write_file(run / "layers.jsonl", text + "{\"step\": 30, \"la");  // being written
}

TEST(ReadRun, LayersAreMeansOfTheirMatrices) {
  const test::TemporaryDirectory temporary;
  const fs::path path = make_run(temporary.path(), "tri", model::Family::kTernary, 60);
  add_layers(path);
  const TrainingRun run = read_run(path);
  ASSERT_EQ(run.layers.size(), 2u);
  EXPECT_EQ(run.layers[1].tokens, 20000);
  ASSERT_EQ(run.layers[1].scale.size(), 1u);
  EXPECT_NEAR(run.layers[1].scale[0], 0.2 * 20, 1e-9);
  EXPECT_NEAR(run.layers[1].near_fraction[0], 0.05, 1e-9);
  EXPECT_NEAR(run.layers[1].distance[0], 0.5, 1e-9);
}

TEST(ReadRun, ADecayToZeroIsNotADrop) {
  const test::TemporaryDirectory temporary;
  const fs::path path = make_run(temporary.path(), "linear", model::Family::kTernary, 5);
  const auto log_of = [&](double second_half) {
    std::string log;
    for (int step = 1; step <= 30; ++step)
      log += nlohmann::json({{"step", step}, {"tokens", step}, {"loss", 1}, {"lr", (30 - step) * (step > 15 ? second_half : 1)}})
                 .dump() +
             "\n";
    return log;
  };
  write_file(path / "log.jsonl", log_of(1));
  EXPECT_TRUE(std::isnan(read_run(path).lr_drop_at));
  write_file(path / "log.jsonl", log_of(0.625));
  EXPECT_EQ(read_run(path).lr_drop_at, 16);
}

TEST(ReadRun, TheRecipeSaysWhereTheInterventionsAre) {
  const test::TemporaryDirectory temporary;
  const fs::path path = make_run(temporary.path(), "coarse", model::Family::kTernary, 5);
  const auto recipe = [&](const std::string& schedule) {
    write_file(path / "recipe.toml",
               "[model]\nfamily = \"ternary\"\nhidden = 64\nglu = 128\nheads = 2\nlayers = 1\n[data]\npath = \"data\"\n"
               "[train]\ntokens = 100000\nbatch_tokens = 1000\nsequence = 100\n[schedule]\n" +
                   schedule);
  };
  std::string log;  // every tenth step, the rate a tenth lower from step 52 on
  for (int step = 10; step <= 100; step += 10)
    log +=
        nlohmann::json({{"step", step}, {"tokens", 1000 * step}, {"loss", 1}, {"lr", step > 51 ? 0.9 : 1.0}, {"weight_decay", 0.1}})
            .dump() +
        "\n";
  write_file(path / "log.jsonl", log);
  recipe("lr = 1.0\nlr_second = 0.9\nlr_drop_at = 0.512\ndecay_off_at = 1\n");
  TrainingRun run = read_run(path);
  EXPECT_EQ(run.lr_drop_at, 52000);  // the middle of step 52 is the first beyond 51,200 tokens
  EXPECT_TRUE(std::isnan(run.decay_off_at));
  recipe("lr = 1.0\nlr_second = 1.0\nlr_drop_at = 0.5\ndecay_off_at = 0.75\n");
  run = read_run(path);
  EXPECT_TRUE(std::isnan(run.lr_drop_at));
  EXPECT_EQ(run.decay_off_at, 76000);  // the middle of step 76: 75,500
  write_file(path / "log.jsonl", log.substr(0, log.size() / 2));
  EXPECT_TRUE(std::isnan(read_run(path).decay_off_at));  // not there yet
}

TEST(Report, SkippedStepsAndInterventionsAreMarked) {
  const test::TemporaryDirectory temporary;
  const fs::path first = make_run(temporary.path(), "one", model::Family::kTernary, 60),
                 second = make_run(temporary.path(), "two", model::Family::kTernary, 90);
  const nlohmann::json bad = {{"step", 91},  {"tokens", 91000},           {"loss", nullptr},
                              {"lr", 0.001}, {"skipped", "loss <spike>"}, {"rewound_to", 60}};
  write_file(second / "log.jsonl", read_file(second / "log.jsonl") + bad.dump() + "\n");
  add_layers(first);
  const std::string both = report_html({"t", "", {read_run(first), read_run(second)}}),
                    one = report_html({"t", "", {read_run(first)}});
  EXPECT_NE(both.find("lr drop: one"), std::string::npos);
  EXPECT_NE(both.find("weight decay off: two"), std::string::npos);
  EXPECT_EQ(one.find("lr drop: one"), std::string::npos);  // a single one needs no name
  EXPECT_NE(one.find(">lr drop<"), std::string::npos);
  EXPECT_NE(both.find("two: step 91 skipped, loss &lt;spike&gt;, back to step 60"), std::string::npos);
  EXPECT_NE(both.find("Low-bit layers"), std::string::npos);
  EXPECT_EQ(both.find("nan"), std::string::npos);
  const auto json = nlohmann::json::parse(report_json({read_run(first), read_run(second)}));
  EXPECT_EQ(json["runs"][1]["skipped"][0]["step"], 91);
  EXPECT_TRUE(json["runs"][0]["skipped"].empty());
  EXPECT_EQ(json["runs"][0]["layers"].size(), 2u);
  EXPECT_EQ(json["runs"][0]["lr_drop_at"], 31000);
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

TEST(Chart, AValueThatHardlyVariesStillGetsTicks) {
  const Chart chart{"t", "x", "y", {{"s", {1, 2}, {0.08, std::nextafter(0.08, 1)}}}};
  EXPECT_NE(to_svg(chart).find(">0.080<"), std::string::npos) << to_svg(chart);
  EXPECT_LE(ticks(1, std::nextafter(1, 2)).size(), 100u);
}

TEST(Chart, SmoothingKeepsAConstantAndIgnoresGaps) {
  EXPECT_EQ(smoothed({2, 2, 2}, 3), (std::vector<double>{2, 2, 2}));
  EXPECT_DOUBLE_EQ(smoothed({1, NAN, 1}, 1)[2], 1);
}

}  // namespace
}  // namespace spectra::analysis
