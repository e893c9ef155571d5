// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/half.h"
#include "format/model_directory.h"
#include "train/checkpoint.h"
#include "unit/train/tiny_data.h"

namespace spectra::train {
namespace {

using nlohmann::json;

class TrainerTest : public ::testing::Test {
 protected:
  /// 20 steps of 4 sequences of 16 tokens on a model of two layers.
  Recipe recipe(const std::vector<std::string>& settings = {}) const {
    std::vector<std::string> all = {"model.family=ternary", "model.hidden=16",           "model.glu=24",
                                    "model.heads=2",        "model.kv_heads=1",          "model.layers=2",
                                    "train.tokens=1280",    "train.batch_tokens=64",     "train.sequence=16",
                                    "train.micro_batch=2",  "schedule.lr=0.01",          "checkpoint.every=10",
                                    "validation.every=5",   "train.precision=reference", "data.path=" + data.string()};
    all.insert(all.end(), settings.begin(), settings.end());
    return parse_recipe("", "test", all);
  }
  TrainResult train(const std::string& name, const std::vector<std::string>& settings = {}, bool resume = false) const {
    return Trainer(recipe(settings), directory / name, resume, *ranks).run();
  }
  std::string bytes(const std::string& name, int64_t step, const char* file) const {
    return read_file(checkpoint_path(directory / name, step) / file);
  }
  std::vector<json> log(const std::string& name) const {
    std::vector<json> lines;
    std::istringstream in(read_file(directory / name / "log.jsonl"));
    for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
    return lines;
  }
  void expect_refused(const std::string& name, const std::string& part, const std::vector<std::string>& settings = {},
                      bool resume = true) const {
    try {
      train(name, settings, resume);
      ADD_FAILURE() << "accepted; wanted: " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::kBadInput) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
  /// Removes the newest checkpoint, as if the process had been killed before writing it.
  void forget(const std::string& name, int64_t step) const { fs::remove_all(checkpoint_path(directory / name, step)); }
  void flip_byte(const fs::path& file) const {
    std::string content = read_file(file);
    content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
    write_file(file, content);
  }

  std::unique_ptr<ranks::Ranks> ranks = ranks::single_rank();
  test::TemporaryDirectory directory;
  fs::path data = test::write_tiny_data(directory / "data", 3000, 200);
};

TEST_F(TrainerTest, ARunWritesItsRecipeLogAndCheckpoints) {
  const TrainResult result = train("run");
  EXPECT_EQ(result.checkpoint, checkpoint_path(directory / "run", 20));
  EXPECT_EQ(result.tokens, 1280);
  EXPECT_GT(result.tokens_per_second, 0);
  ASSERT_TRUE(result.validation_loss.has_value());
  const auto lines = log("run");
  ASSERT_EQ(lines.size(), 20u);
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["step"], i + 1);
    EXPECT_EQ(lines[i]["tokens"], (i + 1) * 64);
    EXPECT_EQ(lines[i].contains("validation_loss"), (i + 1) % 5 == 0);
    for (const char* key : {"loss", "lr", "weight_decay", "grad_norm", "tokens_per_second", "zero_fraction", "flip_fraction"})
      EXPECT_TRUE(lines[i][key].is_number()) << key;
  }
  EXPECT_NEAR(lines[0]["loss"].get<double>(), std::log(128.0), 0.1);  // nothing is known at first; 100 tokens padded to 128
  EXPECT_EQ(recipe_to_toml(parse_recipe(read_file(directory / "run" / "recipe.toml"), "r")), recipe_to_toml(recipe()));
  EXPECT_EQ(all_checkpoints(directory / "run").back(), result.checkpoint);
  for (const char* file :
       {"config.json", "model.safetensors", "tokenizer.json", "spectra.json", "trainer.safetensors", "trainer.json"})
    EXPECT_TRUE(fs::exists(result.checkpoint / file)) << file;
}

TEST_F(TrainerTest, TrainingLearns) {
  const std::vector<std::string> longer = {"train.tokens=6400", "checkpoint.every=1000"};
  for (const char* family : {"float", "ternary", "binary"}) {
    auto settings = longer;
    settings.push_back(std::string("model.family=") + family);
    const TrainResult result = train(family, settings);
    EXPECT_LT(*result.validation_loss, log(family)[0]["loss"].get<double>() - 0.4) << family;
  }
}

TEST_F(TrainerTest, AResumedRunIsBitwiseTheUndisturbedOne) {
  for (const char* family : {"float", "ternary", "binary"}) {
    const std::vector<std::string> settings = {std::string("model.family=") + family, "checkpoint.every=7"};
    const std::string whole = std::string("whole-") + family, parts = std::string("parts-") + family;
    const TrainResult undisturbed = train(whole, settings);
    train(parts, settings);
    forget(parts, 20);  // resumes from step 14
    const TrainResult resumed = train(parts, settings, true);
    for (const char* file : {"model.safetensors", "trainer.safetensors", "trainer.json", "config.json", "spectra.json"})
      EXPECT_EQ(bytes(whole, 20, file), bytes(parts, 20, file)) << family << " " << file;
    EXPECT_EQ(resumed.loss, undisturbed.loss);
    EXPECT_EQ(resumed.validation_loss, undisturbed.validation_loss);
    // The log too, but for the time it took.
    auto a = log(whole), b = log(parts);
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      for (const char* measured : {"tokens_per_second", "memory_bytes"}) {
        a[i].erase(measured);
        b[i].erase(measured);
      }
      EXPECT_EQ(a[i], b[i]);
    }
  }
}

TEST_F(TrainerTest, TheResultDoesNotDependOnTheCheckpoints) {
  train("often", {"checkpoint.every=3", "validation.every=4"});
  train("once", {"checkpoint.every=1000", "validation.every=1000"});
  EXPECT_EQ(bytes("often", 20, "trainer.safetensors"), bytes("once", 20, "trainer.safetensors"));
}

TEST_F(TrainerTest, EveryFamilyIsValidatedOnTheSameTokensAndReadsTheSameOrder) {
  // At step 1 no weight differs between two seeds of data order that validate on the same windows: only the recipe's seed changes.
  const auto first = [&](const std::string& name, const std::string& micro) {
    train(name, {"model.family=float", micro, "train.tokens=64", "validation.every=1"});
    return log(name)[0];
  };
  const json small = first("micro1", "train.micro_batch=1"), large = first("micro4", "train.micro_batch=4");
  EXPECT_NEAR(small["loss"].get<double>(), large["loss"].get<double>(), 1e-5);
  EXPECT_NEAR(small["validation_loss"].get<double>(), large["validation_loss"].get<double>(), 1e-5);
  EXPECT_NEAR(small["grad_norm"].get<double>(), large["grad_norm"].get<double>(), 1e-4);
}

TEST_F(TrainerTest, LowBitWeightsAreExportedExactly) {
  for (const char* family : {"ternary", "binary"}) {
    const TrainResult result = train(family, {std::string("model.family=") + family, "model.shards=2", "model.kv_heads=2"});
    const format::ModelDirectory model(result.checkpoint);
    EXPECT_TRUE(model.verify_checksums());
    const model::Config config = model::config_from_json(model.config_json(), "config.json");
    EXPECT_EQ(config.shards, 2);
    for (const model::Parameter& parameter : model::parameters(config)) {
      const format::TensorView& view = model.get(parameter.name);
      EXPECT_EQ(view.dtype, DType::kF16);
      if (parameter.role != model::Role::kLinear) continue;
      std::vector<float> values(static_cast<size_t>(view.elements()));
      format::read_floats(view, values.data());
      const auto bounds = model::shard_bounds(parameter, config.shards);
      const bool by_rows = parameter.axis == model::ShardAxis::kRows;
      for (size_t s = 0; s + 1 < bounds.size(); ++s) {
        std::set<float> magnitudes;
        for (int64_t r = 0; r < parameter.rows; ++r)
          for (int64_t c = 0; c < parameter.cols; ++c)
            if (const int64_t at = by_rows ? r : c; at >= bounds[s] && at < bounds[s + 1])
              magnitudes.insert(std::abs(values[static_cast<size_t>(r * parameter.cols + c)]));
        magnitudes.erase(0.0f);
        EXPECT_EQ(magnitudes.size(), 1u) << parameter.name;  // γ or α of the shard
      }
    }
  }
}

TEST_F(TrainerTest, TheScalesOfTheExportAreThoseOfThePaper) {
  const TrainResult result = train("run");
  const format::ModelDirectory model(result.checkpoint);
  const format::SafetensorsFile masters(result.checkpoint / "trainer.safetensors");
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  for (const format::TensorView& view : masters.tensors()) {
    if (view.name != "master." + name) continue;
    std::vector<float> w(static_cast<size_t>(view.elements())), exported(w.size());
    format::read_floats(view, w.data());
    format::read_floats(model.get(name), exported.data());
    double sum = 0;
    for (const float value : w) sum += std::abs(value);
    const float scale = round_to_fp16(static_cast<float>(1e-5 + sum / static_cast<double>(w.size())));
    for (size_t i = 0; i < w.size(); ++i)
      EXPECT_EQ(exported[i], scale * std::nearbyint(std::clamp(w[i] / scale, -1.0f, 1.0f))) << i;
    return;
  }
  FAIL() << name << " is not in trainer.safetensors";
}

TEST_F(TrainerTest, OnlyTheNewestCheckpointsKeepTheirTrainerState) {
  train("run", {"checkpoint.every=5", "checkpoint.keep=1"});
  for (const int64_t step : {5, 10, 15, 20}) {
    const fs::path path = checkpoint_path(directory / "run", step);
    EXPECT_TRUE(fs::exists(path / "model.safetensors")) << step;
    EXPECT_EQ(fs::exists(path / "trainer.safetensors"), step == 20) << step;
    EXPECT_EQ(fs::exists(path / "trainer.json"), step == 20) << step;
    EXPECT_NO_THROW(EXPECT_TRUE(format::ModelDirectory(path).verify_checksums()));
  }
}

TEST_F(TrainerTest, TheLogIsCutBackToTheResumedStep) {
  train("run");
  forget("run", 20);
  write_file(directory / "run" / "log.jsonl", read_file(directory / "run" / "log.jsonl") + "{\"step\": 21, \"lo");
  { const Trainer resumed(recipe(), directory / "run", true, *ranks); }
  EXPECT_EQ(log("run").size(), 10u);
  EXPECT_EQ(log("run").back()["step"], 10);
}

TEST_F(TrainerTest, AFinishedRunResumesToItsResult) {
  const TrainResult first = train("run");
  const TrainResult again = train("run", {}, true);
  EXPECT_EQ(again.checkpoint, first.checkpoint);
  EXPECT_EQ(again.loss, first.loss);
  EXPECT_EQ(again.validation_loss, first.validation_loss);
}

TEST_F(TrainerTest, ResumeOfNothingBeginsAtStepZero) {
  EXPECT_EQ(train("new", {}, true).step, 20);
  train("killed-early");
  fs::remove_all(directory / "killed-early" / "checkpoints");
  EXPECT_EQ(train("killed-early", {}, true).step, 20);
  EXPECT_EQ(log("killed-early").size(), 20u);
}

TEST_F(TrainerTest, LeftoversOfAKilledProcessAreRemoved) {
  train("run");
  fs::create_directories(directory / "run" / "checkpoints" / ".step-00000030.partial-1");
  write_file(directory / "run" / ".recipe.toml.partial-1", "half");
  train("run", {}, true);
  EXPECT_FALSE(fs::exists(directory / "run" / "checkpoints" / ".step-00000030.partial-1"));
  EXPECT_FALSE(fs::exists(directory / "run" / ".recipe.toml.partial-1"));
}

TEST_F(TrainerTest, AUsedDirectoryNeedsResume) {
  train("run");
  expect_refused("run", "exists already", {}, false);
  EXPECT_EQ(log("run").size(), 20u);
}

TEST_F(TrainerTest, AChangedRecipeIsRefusedByKey) {
  train("run");
  expect_refused("run", "train.seed (2, was 1)", {"train.seed=2"});
  expect_refused("run", "schedule.lr (0.02, was 0.01)", {"schedule.lr=0.02"});
  EXPECT_NO_THROW(train("run", {"checkpoint.every=3", "validation.tokens=50"}, true));
}

TEST_F(TrainerTest, ADamagedNewestCheckpointFallsBackToTheOneBefore) {
  train("undisturbed");
  for (const char* file : {"trainer.safetensors", "model.safetensors", "trainer.json"}) {
    const std::string name = std::string("run-") + file;
    train(name);
    flip_byte(checkpoint_path(directory / name, 20) / file);
    EXPECT_EQ(train(name, {}, true).step, 20);
    EXPECT_EQ(bytes(name, 20, "trainer.safetensors"), bytes("undisturbed", 20, "trainer.safetensors")) << file;
    EXPECT_EQ(log(name).size(), 20u);
    EXPECT_NO_THROW(verify_checkpoint(checkpoint_path(directory / name, 20)));
  }
}

TEST_F(TrainerTest, ADamagedOnlyCheckpointIsRefusedByFile) {
  train("run", {"checkpoint.every=20"});
  const fs::path checkpoint = checkpoint_path(directory / "run", 20);
  for (const char* file : {"trainer.safetensors", "model.safetensors", "config.json", "spectra.json", "tokenizer.json"}) {
    const std::string before = read_file(checkpoint / file);
    flip_byte(checkpoint / file);
    expect_refused("run", (checkpoint / file).string());
    write_file(checkpoint / file, before.substr(0, before.size() / 2));
    expect_refused("run", (checkpoint / file).string());
    fs::remove(checkpoint / file);
    expect_refused("run", (checkpoint / file).string());
    write_file(checkpoint / file, before);
  }
  const std::string state = read_file(checkpoint / "trainer.json");
  write_file(checkpoint / "trainer.json", state.substr(0, 40));
  expect_refused("run", "trainer.json is damaged");
  std::string moved = state;
  moved.replace(moved.find("\"tokens\": 1280"), 14, "\"tokens\": 1281");
  write_file(checkpoint / "trainer.json", moved);
  expect_refused("run", "trainer.json");
  fs::remove(checkpoint / "trainer.json");
  expect_refused("run", "trainer.json is missing");
  write_file(checkpoint / "trainer.json", state);
  EXPECT_NO_THROW(train("run", {}, true));
  EXPECT_EQ(log("run").size(), 20u);  // no refusal touched the run
}

TEST_F(TrainerTest, ATokenizerThatDoesNotMatchTheDataIsRefused) {
  write_file(data / "tokenizer.json", "{\"another\": true}");
  expect_refused("run", "tokenizer.json is not the tokenizer that made this data", {}, false);
  EXPECT_FALSE(fs::exists(directory / "run"));
}

TEST_F(TrainerTest, OtherDataOrAnotherTokenizerIsRefusedOnResume) {
  train("run");
  forget("run", 20);
  test::write_tiny_data(directory / "other", 3000, 200, 2);
  test::write_tiny_data(directory / "retokenized", 3000, 200, 1, "{\"tiny\": 2}");
  expect_refused("run", "is not the data", {"data.path=" + (directory / "other").string()});
  expect_refused("run", "the tokenizer of", {"data.path=" + (directory / "retokenized").string()});
  fs::rename(data, directory / "moved");
  EXPECT_NO_THROW(train("run", {"data.path=" + (directory / "moved").string()}, true));
}

TEST_F(TrainerTest, DamagedDataIsRefusedBeforeTheRunExists) {
  flip_byte(data / "tokens-00000.bin");
  expect_refused("run", "tokens-00000.bin", {}, false);
  EXPECT_FALSE(fs::exists(directory / "run"));
}

TEST_F(TrainerTest, DataWithoutValidationIsTrainedWithoutIt) {
  const fs::path bare = test::write_tiny_data(directory / "bare", 2000, 0);
  const TrainResult result = train("run", {"data.path=" + bare.string()});
  EXPECT_FALSE(result.validation_loss.has_value());
  EXPECT_FALSE(log("run").back().contains("validation_loss"));
}

TEST_F(TrainerTest, ARunThatCannotFitIsRefusedBeforeItStarts) {
  try {
    train("run", {"model.hidden=65536", "model.glu=262144", "model.heads=512", "model.kv_heads=512", "model.layers=200"});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kRefused);
    EXPECT_NE(std::string(error.what()).find("training needs about"), std::string::npos) << error.what();
    EXPECT_NE(error.hint().find("train.micro_batch"), std::string::npos);
  }
  EXPECT_FALSE(fs::exists(directory / "run"));
}

}  // namespace
}  // namespace spectra::train
