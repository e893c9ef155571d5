// SPDX-License-Identifier: Apache-2.0
// Two whole training steps of tiny models against plain torch in fp64: tests/golden/make_training_golden.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ops/backend.h"
#include "test_data.h"
#include "unit/train/tiny_models.h"

namespace spectra::train {
namespace {

using nlohmann::json;

json golden_steps() {
  std::ifstream file(test::golden("training_step.json"));
  return json::parse(file);
}

model::Config config_of(const json& model, const json& hyper) {
  model::Config config;
  config.hidden = model["hidden"];
  config.glu = model["glu"];
  config.heads = model["heads"];
  config.kv_heads = model["kv_heads"];
  config.layers = model["layers"];
  config.vocab = model["vocab"];
  config.shards = model["shards"];
  config.tied = model["tied"];
  config.family = model::family_from_name(model["family"]);
  config.norm_eps = hyper["norm_eps"];
  return config;
}

/// The script's weights: uniform in ±1/4, norms in 1 ± 1/2.
void set_weights(ops::Backend& backend, Transformer& transformer) {
  uint64_t stream = 0;
  for (TrainedParameter& parameter : transformer.parameters()) {
    std::vector<float> values(static_cast<size_t>(parameter.weight.size()));
    const bool norm = parameter.info.role == model::Role::kNorm;
    for (size_t i = 0; i < values.size(); ++i) {
      const float noise = static_cast<float>(test::hashed(stream, i)) * 0x1p-20f - 0.5f;
      values[i] = norm ? 1 + noise : noise / 2;
    }
    backend.copy_in(parameter.weight, values.data());
    ++stream;
  }
}

/// Compares with the golden file; errors are relative to the largest of the numbers compared together.
template <class T>
class Comparison {
 public:
  explicit Comparison(double tolerance) : tolerance_(tolerance) {}
  void value(const std::string& what, double expected, double found) const {
    EXPECT_NEAR(expected, found, tolerance_ * std::fabs(expected)) << what;
  }
  void samples(const std::string& what, const json& expected, ops::Tensor found) const {
    double largest = 0;
    for (const json& x : expected) largest = std::max(largest, std::fabs(x.get<double>()));
    for (size_t i = 0; i < expected.size(); ++i) {
      const size_t index = (13 + 7919 * i) % static_cast<size_t>(found.size());
      EXPECT_NEAR(expected[i].get<double>(), static_cast<double>(found.as<T>()[index]), tolerance_ * largest)
          << what << ", sample " << i;
    }
  }
  void exactly(const std::string& what, const json& expected, ops::Tensor found) const {
    ASSERT_EQ(static_cast<int64_t>(expected.size()), found.size()) << what;
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_EQ(expected[i].get<double>(), static_cast<double>(found.as<T>()[i])) << what;
  }

 private:
  double tolerance_;
};

template <class T>
void check_gradients(const Comparison<T>& compare, const json& step, Transformer& transformer, ops::Backend& backend,
                     ops::Tensor norm) {
  compare.value("loss", step["loss"], transformer.loss());
  backend.zero(norm);
  for (const TrainedParameter& parameter : transformer.parameters()) {
    const json& expected = step["parameters"].at(parameter.info.name);
    ops::Buffer memory = backend.allocate(sizeof(double));
    const ops::Tensor squares(memory.data(), DType::kF64, 1, 1);
    backend.sum_squares(squares, parameter.gradient);
    backend.sum_squares(norm, parameter.gradient);
    compare.value(parameter.info.name, expected["gradient_norm"], std::sqrt(*squares.as<double>()));
    compare.samples(parameter.info.name + " gradient", expected["gradient"], parameter.gradient);
    EXPECT_EQ(expected.contains("scales"), parameter.scales.data != nullptr) << parameter.info.name;
    if (expected.contains("scales")) compare.exactly(parameter.info.name + " scales", expected["scales"], parameter.scales);
  }
  compare.value("gradient norm", step["gradient_norm"], std::sqrt(*norm.as<double>()));
}

template <class T>
void train_and_compare(ops::Backend& backend, const json& golden, const json& model, double tolerance) {
  const json& hyper = golden["hyper"];
  const int64_t batch = golden["tokens"]["batch"], time = golden["tokens"]["time"];
  const size_t count = static_cast<size_t>(batch * time);
  Transformer transformer(backend, config_of(model, hyper), batch, time);
  set_weights(backend, transformer);
  ASSERT_EQ(transformer.parameters().size(), model["steps"][0]["parameters"].size());
  ops::Buffer memory = backend.allocate(sizeof(double));
  const ops::Tensor norm(memory.data(), DType::kF64, 1, 1);
  const Comparison<T> compare(tolerance);

  for (size_t s = 0; s < model["steps"].size(); ++s) {
    SCOPED_TRACE(model["name"].get<std::string>() + ", step " + std::to_string(s + 1));
    const std::vector<int32_t> tokens = test::tokens(1000 + s, count, model["vocab"]);
    std::vector<int32_t> targets(tokens.begin() + 1, tokens.end());
    targets.push_back(-1);
    targets[5] = -1;
    transformer.reset_loss();
    transformer.quantize();
    transformer.forward_backward(tokens, targets, golden["scale"]);
    check_gradients(compare, model["steps"][s], transformer, backend, norm);
    for (TrainedParameter& p : transformer.parameters()) {
      const ops::AdamW step{hyper["lr"],
                            hyper["beta1"],
                            hyper["beta2"],
                            hyper["eps"],
                            p.decayed() ? hyper["weight_decay"].get<float>() : 0.0f,
                            static_cast<int64_t>(s) + 1};
      backend.adamw(p.weight, p.gradient, p.moment1, p.moment2, step, *norm.as<double>(), hyper["clip"]);
      compare.samples(p.info.name + " weight", model["steps"][s]["parameters"].at(p.info.name)["weight"], p.weight);
    }
  }
}

template <class T>
void every_model(const std::string& precision, double tolerance) {
  const auto backend = ops::make_backend("cpu", precision);
  const json golden = golden_steps();
  for (const json& model : golden["models"]) train_and_compare<T>(*backend, golden, model, tolerance);
}

TEST(TrainingGolden, ReferenceInDoubleIsTorch) { every_model<double>("reference-fp64", 1e-9); }
TEST(TrainingGolden, ReferenceIsTorch) { every_model<float>("reference", 1e-4); }
TEST(TrainingGolden, CpuInFp32IsTorch) { every_model<float>("fp32", 1e-4); }

}  // namespace
}  // namespace spectra::train
