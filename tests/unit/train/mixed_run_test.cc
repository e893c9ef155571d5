// SPDX-License-Identifier: Apache-2.0
// A run over mixed data: what may and what may not change when it is resumed.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "train/checkpoint.h"
#include "train/data.h"
#include "train/trainer.h"
#include "unit/train/tiny_data.h"

namespace spectra::train {
namespace {

class MixedRun : public ::testing::Test {
 protected:
  Recipe recipe(std::vector<DataSource> sources, const std::string& settings = "") const {
    std::string text = R"(
[model]
family = "ternary"
hidden = 16
glu = 24
heads = 2
layers = 1
[train]
tokens = 640
batch_tokens = 64
sequence = 16
micro_batch = 2
precision = "reference"
[checkpoint]
every = 5
[validation]
every = 10
[data]
)" + settings;
    for (const DataSource& source : sources)
      text += fmt::format("[[data.source]]\npath = \"{}\"\nweight = {}\n", source.path, source.weight);
    return parse_recipe(text, "test");
  }
  TrainResult train(const Recipe& recipe, const std::string& name, bool resume = false) const {
    return Trainer(recipe, directory / name, resume, *ranks).run();
  }
  std::string refusal(const Recipe& recipe) const {
    try {
      train(recipe, "run", true);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::kBadInput);
      return error.what();
    }
    return "accepted";
  }
  std::string weights(const std::string& name) const {
    return read_file(checkpoint_path(directory / name, 10) / "trainer.safetensors");
  }

  std::unique_ptr<ranks::Ranks> ranks = ranks::single_rank();
  test::TemporaryDirectory directory;
  fs::path a = test::write_tiny_data(directory / "a", 500, 60, 1), b = test::write_tiny_data(directory / "b", 300, 40, 2);
};

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(MixedRun, ResumesBitForBitAndKnowsItsMixture) {
  const std::vector<DataSource> sources = {{a.string(), 2}, {b.string(), 1}};
  const TrainResult whole = train(recipe(sources), "whole");
  ASSERT_TRUE(whole.validation_loss.has_value());
  train(recipe(sources), "run");
  const auto state = nlohmann::json::parse(read_file(whole.checkpoint / "trainer.json"));
  EXPECT_EQ(state["data_sha256"], TrainingData(recipe(sources)).sha256());

  fs::remove_all(checkpoint_path(directory / "run", 10));
  EXPECT_CONTAINS(refusal(recipe({{a.string(), 1}, {b.string(), 1}})), "data.source (shares 0.5, 0.5, was 0.66");
  EXPECT_CONTAINS(refusal(recipe({{a.string(), 2}})), "data.source (shares 1, was 0.66");
  EXPECT_CONTAINS(refusal(recipe({{b.string(), 2}, {a.string(), 1}})), "is not the data");

  // The same data elsewhere, weights of another scale, another validation set: the same training.
  fs::rename(a, directory / "moved");
  train(recipe({{(directory / "moved").string(), 4}, {b.string(), 2}}, "valid = \"" + b.string() + "\"\n"), "run", true);
  EXPECT_EQ(weights("run"), weights("whole"));
}

TEST_F(MixedRun, MaskedDocumentsReachTraining) {
  const std::vector<DataSource> sources = {{a.string(), 2}, {b.string(), 1}};
  const TrainResult plain = train(recipe(sources), "plain"), masked = train(recipe(sources, "mask_documents = true\n"), "masked");
  EXPECT_NE(weights("plain"), weights("masked"));
  EXPECT_NE(plain.validation_loss, masked.validation_loss);
}

TEST_F(MixedRun, WeightsDecideTheResult) {
  train(recipe({{a.string(), 2}, {b.string(), 1}}), "one");
  train(recipe({{a.string(), 1}, {b.string(), 2}}), "two");
  EXPECT_NE(weights("one"), weights("two"));
}

}  // namespace
}  // namespace spectra::train
