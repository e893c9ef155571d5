// SPDX-License-Identifier: Apache-2.0
// Training on a device whose memory the host cannot touch: whole runs with validation, statistics, checkpoints and a resume give
// the bits of a run on the machine's own memory.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "train/checkpoint.h"
#include "train/trainer.h"
#include "unit/ops/protected_backend.h"
#include "unit/train/tiny_data.h"

namespace spectra::train {
namespace {

class ProtectedTraining : public ::testing::Test {
 protected:
  /// 6 steps of 4 sequences of 16 tokens, in two groups.
  Recipe recipe(const std::vector<std::string>& settings) const {
    std::vector<std::string> all = {"model.hidden=16",
                                    "model.glu=24",
                                    "model.heads=4",
                                    "model.kv_heads=2",
                                    "model.layers=2",
                                    "model.shards=2",
                                    "train.tokens=384",
                                    "train.batch_tokens=64",
                                    "train.sequence=16",
                                    "train.micro_batch=1",
                                    "schedule.lr=0.01",
                                    "checkpoint.every=4",
                                    "validation.every=3",
                                    "log.layers_every=2",
                                    "train.reduction_groups=2",
                                    "train.precision=reference",
                                    "data.path=" + data.string()};
    all.insert(all.end(), settings.begin(), settings.end());
    return parse_recipe("", "test", all);
  }
  TrainResult train(const std::string& name, const std::vector<std::string>& settings, bool far, bool resume = false) const {
    const Recipe made = recipe(settings);
    if (!far) return Trainer(made, directory / name, resume, *ranks).run();
    return Trainer(made, directory / name, resume, *ranks, std::make_unique<test::ProtectedBackend>()).run();
  }
  std::string bytes(const std::string& name, const char* file) const {
    return read_file(checkpoint_path(directory / name, 6) / file);
  }
  /// Statistics of the low-bit matrices; a float run has none.
  std::string layers(const std::string& name) const {
    const fs::path file = directory / name / "layers.jsonl";
    return fs::exists(file) ? read_file(file) : "";
  }

  std::unique_ptr<ranks::Ranks> ranks = ranks::single_rank();
  test::TemporaryDirectory directory;
  fs::path data = test::write_tiny_data(directory / "data", 1000, 100);
};

TEST_F(ProtectedTraining, GivesTheBitsOfOrdinaryMemoryAlsoWhenItResumes) {
  const std::vector<std::vector<std::string>> runs = {{"model.family=float", "model.tied=true", "train.recompute=selective"},
                                                      {"model.family=ternary", "data.mask_documents=true", "train.recompute=full"},
                                                      {"model.family=binary"}};
  for (const std::vector<std::string>& settings : runs) {
    const std::string far = "far " + settings[0], near = "near " + settings[0];
    const TrainResult ordinary = train(near, settings, false);
    train(far, settings, true);
    fs::remove_all(checkpoint_path(directory / far, 6));
    const TrainResult resumed = train(far, settings, true, true);
    for (const char* file : {"model.safetensors", "trainer.safetensors", "trainer.json"})
      EXPECT_EQ(bytes(far, file), bytes(near, file)) << settings[0] << " " << file;
    EXPECT_EQ(resumed.loss, ordinary.loss);
    EXPECT_EQ(resumed.validation_loss, ordinary.validation_loss);
    EXPECT_EQ(layers(far), layers(near));
    EXPECT_EQ(layers(near).empty(), settings[0] == "model.family=float");
  }
}

/// The trap itself: without it the test above would prove nothing.
TEST(ProtectedMemoryDeathTest, TheHostDiesOfATouchAndOpsRefuseHostMemory) {
  test::ProtectedBackend backend;
  const ops::Buffer memory = backend.allocate(64);
  const ops::Tensor x(memory.data(), DType::kF32, 1, 16);
  EXPECT_EQ(backend.read<float>(x), std::vector<float>(16));
  EXPECT_DEATH(*x.as<float>() = 1, "");
  EXPECT_DEATH(
      {
        volatile float seen = *x.as<float>();
        (void)seen;
      },
      "");
  std::vector<float> host(16);
  EXPECT_DEATH(backend.zero({host.data(), DType::kF32, 1, 16}), "not the device's");
}

}  // namespace
}  // namespace spectra::train
