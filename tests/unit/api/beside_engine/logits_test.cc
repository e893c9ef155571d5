// SPDX-License-Identifier: Apache-2.0
// libspectra.so beside the engine that it wraps: the same bits.
#include <spectra/spectra.h>

#include "infer/engine.h"
#include "infer/models.h"

namespace spectra {
namespace {

class LibraryAndEngine : public testing::TestWithParam<infer::ActivationType> {};

TEST_P(LibraryAndEngine, GiveTheSameBits) {
  const test::TemporaryDirectory directory;
  const test::RandomModel random = test::random_model(test::small_config(model::Family::kTernary), 3, 5);
  test::write_packed(random, directory / "model", lowbit::Format::kTern1_6);
  const std::vector<int32_t> tokens = test::random_tokens(40, random.config.vocab, 2);

  infer::EngineOptions engine_options;
  engine_options.activations = GetParam();
  infer::Engine engine(infer::load_model(directory / "model"), engine_options);
  infer::Batch batch;
  const int32_t sequence = engine.open_sequence();
  for (size_t i = 0; i < tokens.size(); ++i) {
    batch.add(tokens[i], static_cast<int32_t>(i), sequence);
    if (i + 1 < tokens.size()) batch.targets.push_back({static_cast<int32_t>(i), tokens[i + 1]});
  }
  batch.logits_at = {39};
  const infer::Results expected = engine.forward(batch);

  spectra_load_options options;
  spectra_load_options_init(&options, sizeof(options));
  options.activations = 1 + static_cast<int32_t>(GetParam());
  options.threads = 2;
  spectra_model* model = nullptr;
  ASSERT_EQ(spectra_model_load((directory / "model").c_str(), &options, &model), SPECTRA_OK) << spectra_last_error();
  EXPECT_EQ(spectra_model_info(model)->activations, options.activations);

  std::vector<spectra_token_score> scores(tokens.size() - 1);
  ASSERT_EQ(spectra_score(model, tokens.data(), tokens.size(), scores.data()), SPECTRA_OK) << spectra_last_error();
  for (size_t i = 0; i < scores.size(); ++i) {
    EXPECT_EQ(scores[i].logprob, expected.scores[i].logprob) << i;
    EXPECT_EQ(scores[i].top != 0, expected.scores[i].top) << i;
  }

  spectra_session* session = nullptr;
  ASSERT_EQ(spectra_session_open(model, &session), SPECTRA_OK);
  spectra_model_free(model);
  std::vector<float> logits(static_cast<size_t>(random.config.vocab));
  ASSERT_EQ(spectra_session_append(session, tokens.data(), tokens.size(), logits.data()), SPECTRA_OK) << spectra_last_error();
  spectra_session_free(session);
  EXPECT_EQ(logits, expected.logits);
}

INSTANTIATE_TEST_SUITE_P(Activations, LibraryAndEngine,
                         testing::Values(infer::ActivationType::kFp32, infer::ActivationType::kBf16, infer::ActivationType::kInt8),
                         [](const auto& tested) { return std::string(infer::activations_name(tested.param)); });

}  // namespace
}  // namespace spectra
