// SPDX-License-Identifier: Apache-2.0
// What an engine does where its options leave the choice to the model.
#include <gtest/gtest.h>

#include <optional>

#include "infer/engine.h"
#include "models.h"

namespace spectra::infer {
namespace {

class EngineDefaults : public testing::Test {
 protected:
  void SetUp() override {
    const test::RandomModel m = test::random_model(test::small_config(model::Family::kTernary), 2, 5);
    test::write_unpacked(m, directory_ / "unpacked");
    test::write_packed(m, directory_ / "packed", lowbit::Format::kTern2);
    unpacked_ = load_model(directory_ / "unpacked");
    packed_ = load_model(directory_ / "packed");
  }
  test::TemporaryDirectory directory_;
  std::shared_ptr<const Model> unpacked_, packed_;
};

TEST_F(EngineDefaults, PackedModelsTakeInt8AndOthersFp32) {
  const EngineOptions open{.activations = std::nullopt};
  EXPECT_EQ(Engine(packed_, open).activations(), ActivationType::kInt8);
  EXPECT_EQ(Engine(packed_, open).kv_type(), KvType::kFp16);
  EXPECT_EQ(Engine(unpacked_, open).activations(), ActivationType::kFp32);
  EXPECT_EQ(Engine(unpacked_, open).kv_type(), KvType::kFp32);
  EXPECT_EQ(Engine(packed_).activations(), ActivationType::kFp32) << "nothing is left open";
}

TEST_F(EngineDefaults, AreWhatTheEngineTakes) {
  for (const auto& model : {packed_, unpacked_})
    for (const std::optional<ActivationType> activations : {std::optional<ActivationType>(), std::optional(ActivationType::kBf16)})
      for (const std::optional<KvType> kv : {std::optional<KvType>(), std::optional(KvType::kInt8)}) {
        const EngineOptions options{.activations = activations, .kv_type = kv}, made = with_defaults(options, *model);
        const Engine engine(model, options);
        EXPECT_EQ(made.activations, engine.activations());
        EXPECT_EQ(made.kv_type, engine.kv_type());
        EXPECT_EQ(engine.activations(), activations.value_or(default_activations(*model)));
        EXPECT_EQ(engine.kv_type(), kv.value_or(default_kv_type(engine.activations())));
      }
}

TEST_F(EngineDefaults, MemoryHoldsOneWholeContext) {
  const Engine engine(packed_);
  EXPECT_EQ(engine.kv().pages(), kv_pages(engine.context()));
}

}  // namespace
}  // namespace spectra::infer
