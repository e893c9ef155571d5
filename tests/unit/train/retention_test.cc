// SPDX-License-Identifier: Apache-2.0
#include "train/retention.h"

#include <gtest/gtest.h>

#include "format/model_directory.h"
#include "format/safetensors.h"
#include "model/pack.h"
#include "train/checkpoint.h"
#include "train/trainer.h"
#include "unit/train/tiny_data.h"

namespace spectra::train {
namespace {

Recipe recipe_of(const std::vector<std::string>& settings, const std::string& data = "none") {
  std::vector<std::string> all = {"model.family=ternary",
                                  "model.hidden=16",
                                  "model.glu=24",
                                  "model.heads=2",
                                  "model.layers=2",
                                  "model.shards=2",
                                  "train.tokens=1280",
                                  "train.batch_tokens=64",
                                  "train.sequence=16",
                                  "checkpoint.every=5",
                                  "train.precision=reference",
                                  "data.path=" + data};
  all.insert(all.end(), settings.begin(), settings.end());
  return parse_recipe("", "test", all);
}

std::vector<int64_t> steps_where(const Recipe& recipe, bool (*rule)(const Recipe&, int64_t)) {
  std::vector<int64_t> steps;
  for (int64_t step = 1; step <= recipe.steps(); ++step)
    if (rule(recipe, step)) steps.push_back(step);
  return steps;
}
using Steps = std::vector<int64_t>;

TEST(Retention, StepsThatMakeACheckpoint) {
  EXPECT_EQ(steps_where(recipe_of({}), makes_checkpoint), (Steps{5, 10, 15, 20}));
  EXPECT_EQ(steps_where(recipe_of({"checkpoint.every=7"}), makes_checkpoint), (Steps{7, 14, 20}));
  EXPECT_EQ(steps_where(recipe_of({"checkpoint.every=7", "checkpoint.log_spaced=true"}), makes_checkpoint),
            (Steps{1, 2, 4, 7, 8, 14, 16, 20}));
}

TEST(Retention, StepsWhoseModelStays) {
  EXPECT_EQ(steps_where(recipe_of({}), model_stays).size(), 20u);
  EXPECT_EQ(steps_where(recipe_of({"checkpoint.keep_every=6"}), model_stays), (Steps{6, 12, 18, 20}));
  EXPECT_EQ(steps_where(recipe_of({"checkpoint.keep_every=6", "checkpoint.log_spaced=true"}), model_stays),
            (Steps{1, 2, 4, 6, 8, 12, 16, 18, 20}));
}

TEST(Retention, CountsAreThoseOfTheRules) {
  for (const char* every : {"1", "3", "4", "7", "100"})
    for (const char* keep_every : {"0", "2", "6", "8", "100"})
      for (const char* spaced : {"true", "false"}) {
        const Recipe recipe =
            recipe_of({std::string("checkpoint.every=") + every, std::string("checkpoint.keep_every=") + keep_every,
                       std::string("checkpoint.log_spaced=") + spaced});
        for (int64_t done = 0; done <= recipe.steps(); ++done) {
          CheckpointCounts wanted;
          for (int64_t step = done + 1; step <= recipe.steps(); ++step) {
            wanted.made += makes_checkpoint(recipe, step);
            wanted.models += makes_checkpoint(recipe, step) && model_stays(recipe, step);
          }
          const CheckpointCounts found = count_checkpoints(recipe, done);
          EXPECT_EQ(found.made, wanted.made) << every << " " << keep_every << " " << spaced << " " << done;
          EXPECT_EQ(found.models, wanted.models) << every << " " << keep_every << " " << spaced << " " << done;
        }
      }
}

class RetiredRun : public ::testing::Test {
 protected:
  Recipe recipe(const std::vector<std::string>& settings = {}) const { return recipe_of(settings, data.string()); }
  fs::path train(const std::vector<std::string>& settings) const {
    Trainer(recipe(settings), run, false, *ranks::single_rank()).run();
    return run;
  }
  std::string format_of(int64_t step) const {
    return model::packed_format_from_json(read_file(checkpoint_path(run, step) / "config.json"));
  }
  bool complete(int64_t step) const { return fs::exists(checkpoint_path(run, step) / "trainer.safetensors"); }

  test::TemporaryDirectory directory;
  fs::path data = test::write_tiny_data(directory / "data", 3000, 200);
  fs::path run = directory / "run";
};

/// All tensors in order, by name and value: packing makes +0 of the -0 that γ · -0 leaves in an exported model.
std::vector<std::pair<std::string, std::vector<float>>> tensors_of(const fs::path& model) {
  std::vector<std::pair<std::string, std::vector<float>>> all;
  const format::SafetensorsFile file(model / "model.safetensors");
  for (const format::TensorView& view : file.tensors()) {
    all.push_back({view.name, std::vector<float>(static_cast<size_t>(view.elements()))});
    format::read_floats(view, all.back().second.data());
  }
  return all;
}

TEST_F(RetiredRun, OlderModelsArePackedAndUnpackToTheSameWeights) {
  for (const char* family : {"ternary", "binary"}) {
    const std::string setting = std::string("model.family=") + family;
    fs::remove_all(run);
    train({setting, "checkpoint.pack=false", "checkpoint.keep=1"});
    const auto unpacked = tensors_of(checkpoint_path(run, 10));
    for (const int64_t step : {5, 10, 15, 20}) EXPECT_EQ(format_of(step), "");
    retire_checkpoints(run, recipe({setting, "checkpoint.keep=1"}), 20);  // as if `pack` had been on from the start
    for (const int64_t step : {5, 10, 15}) {
      EXPECT_EQ(format_of(step), setting == "model.family=ternary" ? "tern1.6-v2" : "bin1-v2") << step;
      EXPECT_FALSE(complete(step));
      EXPECT_TRUE(format::ModelDirectory(checkpoint_path(run, step)).verify_checksums());
      EXPECT_LE(fs::file_size(checkpoint_path(run, step) / "model.safetensors"),
                packed_model_bytes(model_config(recipe({setting}), test::kTinyVocab, 0)) + 16384);
    }
    EXPECT_EQ(format_of(20), "");
    EXPECT_TRUE(complete(20));
    model::unpack_model(checkpoint_path(run, 10), directory / family);
    EXPECT_TRUE(tensors_of(directory / family) == unpacked) << family;
  }
}

TEST_F(RetiredRun, ModelsBetweenThoseThatStayAreRemoved) {
  train({"checkpoint.every=2", "checkpoint.keep=2", "checkpoint.keep_every=8", "checkpoint.log_spaced=true"});
  std::vector<std::string> names;
  for (const fs::path& path : all_checkpoints(run)) names.push_back(path.filename().string());
  EXPECT_EQ(names, (std::vector<std::string>{"step-00000001", "step-00000002", "step-00000004", "step-00000008", "step-00000016",
                                             "step-00000018", "step-00000020"}));
  for (const auto& entry : fs::directory_iterator(run / "checkpoints")) EXPECT_NE(entry.path().filename().string()[0], '.');
}

TEST_F(RetiredRun, AModelThatCannotBePackedStays) {
  train({"checkpoint.keep=4"});
  const fs::path damaged = checkpoint_path(run, 5);
  std::string bytes = read_file(damaged / "model.safetensors");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_file(damaged / "model.safetensors", bytes);
  retire_checkpoints(run, recipe({"checkpoint.keep=1"}), 20);
  EXPECT_EQ(read_file(damaged / "model.safetensors"), bytes);
  EXPECT_EQ(format_of(5), "");
  for (const auto& entry : fs::directory_iterator(run / "checkpoints")) EXPECT_NE(entry.path().filename().string()[0], '.');
}

TEST_F(RetiredRun, OnlyCompleteCheckpointsUpToTheLastWholeOneCount) {
  train({"checkpoint.keep=3"});
  fs::remove(checkpoint_path(run, 10) / "trainer.json");  // a rewind distrusts it
  retire_checkpoints(run, recipe({"checkpoint.keep=2"}), 15);
  EXPECT_TRUE(complete(20)) << "rejected by a resume from 15, but not ours to touch";
  EXPECT_TRUE(complete(15));
  EXPECT_EQ(format_of(10), "") << "newer than the oldest that is kept";
  retire_checkpoints(run, recipe({"checkpoint.keep=1"}), 15);
  EXPECT_TRUE(complete(15));
  EXPECT_EQ(format_of(10), "tern1.6-v2");
}

TEST_F(RetiredRun, AFloatModelIsNotPacked) {
  train({"model.family=float", "checkpoint.keep=1"});
  for (const int64_t step : {5, 10, 15, 20}) EXPECT_EQ(format_of(step), "");
}

TEST_F(RetiredRun, WhatAKillLeftBetweenTwoRenamesIsPutBack) {
  train({"checkpoint.keep=1"});
  const fs::path whole = checkpoint_path(run, 10);
  fs::rename(whole, run / "checkpoints" / ".step-00000010.packed.partial-1-old");
  fs::create_directories(run / "checkpoints" / ".step-00000010.packed.partial-1");
  remove_partial_files(run);
  EXPECT_TRUE(format::ModelDirectory(whole).verify_checksums());
  for (const auto& entry : fs::directory_iterator(run / "checkpoints")) EXPECT_NE(entry.path().filename().string()[0], '.');
}

}  // namespace
}  // namespace spectra::train
