// SPDX-License-Identifier: Apache-2.0
// The forward pass block by block is the engine's forward pass.
#include "quantize/stream.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/system.h"
#include "infer/perplexity.h"
#include "unit/infer/models.h"

namespace spectra::quantize {
namespace {

constexpr int64_t kTime = 64, kSequences = 70;  // more than one chunk, the second one short

class StreamTest : public testing::Test {
 protected:
  void SetUp() override {
    random_ = test::random_model(test::small_config(model::Family::kFloat), 0, 1);
    test::write_unpacked(random_, directory_ / "model");
    tokens_ = test::random_tokens(kTime * kSequences, random_.config.vocab, 2);
  }
  Weights weights() const {
    return [this](const std::string& name) { return random_.values.at(name); };
  }
  double loss(const std::string& precision, const fs::path& spill) const {
    const auto backend = ops::make_backend("cpu", precision);
    Stream stream(*backend, random_.config, tokens_, kTime, weights(), spill);
    for (int64_t block = 0; block < random_.config.layers; ++block) {
      stream.load_block(block, weights());
      for (const Step step : kSteps)
        for (int64_t chunk = 0; chunk < stream.chunks(); ++chunk) stream.run(step, chunk);
    }
    return stream.loss(kSequences, weights());
  }
  double engine_loss(infer::Engine& engine) const {
    std::vector<infer::Window> windows;
    for (int64_t s = 0; s < kSequences; ++s) {
      const auto begin = tokens_.begin() + s * kTime;
      windows.push_back({{begin, begin + kTime - 1}, 0, {begin + 1, begin + kTime}});
    }
    return infer::score(engine, windows).nll;
  }
  test::TemporaryDirectory directory_;
  test::RandomModel random_;
  std::vector<int32_t> tokens_;
};

TEST_F(StreamTest, LossIsTheEngines) {
  infer::Engine engine(infer::load_model(directory_ / "model"));
  EXPECT_NEAR(loss("fp32", {}) / engine_loss(engine), 1, 1e-6);
}

TEST_F(StreamTest, LossInBf16IsClose) {
  if (!cpu_features().avx512_bf16) GTEST_SKIP() << "SKIPPED: this CPU has no AVX512_BF16";
  EXPECT_NEAR(loss("bf16", {}) / loss("fp32", {}), 1, 2e-3);
}

TEST_F(StreamTest, AFileServesAsWellAsMemory) { EXPECT_EQ(loss("fp32", directory_.path()), loss("fp32", {})); }

TEST_F(StreamTest, InputsAreThoseOfTheEngine) {
  infer::Engine engine(infer::load_model(directory_ / "model"));
  std::map<std::string, std::vector<float>> seen;
  engine.set_observer([&](const infer::Linear& linear, const float* x, int64_t count) {
    seen[linear.name + ".weight"].assign(x, x + count * linear.cols);
  });
  test::all_logits(engine, {tokens_.begin(), tokens_.begin() + kTime}, kTime);
  const auto backend = ops::make_backend("cpu", "fp32");
  Stream stream(*backend, random_.config, tokens_, kTime, weights(), {});
  int compared = 0;
  for (int64_t block = 0; block < random_.config.layers; ++block) {
    stream.load_block(block, weights());
    for (const Step step : kSteps) {
      const ops::Tensor x = stream.run(step, 0);
      ASSERT_EQ(x.cols, input_width(random_.config, step));
      for (const auto& [name, wanted] : seen) {
        if (name.rfind(fmt::format("model.layers.{}.", block), 0) != 0 || step == Step::kEnd ||
            step_of(model::place_from_name(name)->slot) != step)
          continue;
        const std::vector<float> found(x.as<float>(), x.as<float>() + kTime * x.cols);
        EXPECT_LT(test::relative_error(found, wanted), 1e-5) << name;
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, 7 * random_.config.layers);
}

}  // namespace
}  // namespace spectra::quantize
