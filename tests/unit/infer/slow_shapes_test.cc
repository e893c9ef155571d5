// SPDX-License-Identifier: Apache-2.0
// Two layers of each of the paper's nine models, with its widths and shards: packed logits are those of the unpacked model.
#include <gtest/gtest.h>

#include "models.h"

namespace spectra::infer {
namespace {

class Shapes : public testing::TestWithParam<std::string> {};

TEST_P(Shapes, PackedComputesWithTheWeightsOfTheUnpackedOne) {
  model::Config config = model::config_of_size(model::size_from_name(GetParam()), model::Family::kTernary);
  config.layers = 2;
  config.vocab = 512;
  const test::TemporaryDirectory directory;
  {
    const test::RandomModel m = test::random_model(config, config.shards, 5, true);
    test::write_unpacked(m, directory / "unpacked");
    test::write_packed(m, directory / "2bit", lowbit::Format::kTern2);
    test::write_packed(m, directory / "1.6bit", lowbit::Format::kTern1_6);
  }
  const std::vector<int32_t> tokens = test::random_tokens(20, config.vocab, 1);
  Engine unpacked(load_model(directory / "unpacked"), {.activations = ActivationType::kFp32});
  const std::vector<float> expected = test::all_logits(unpacked, tokens, tokens.size());
  for (const char* packing : {"2bit", "1.6bit"}) {
    Engine packed(load_model(directory / packing), {.activations = ActivationType::kFp32});
    ASSERT_TRUE(packed.model().packed());
    EXPECT_LT(test::relative_error(test::all_logits(packed, tokens, tokens.size()), expected), 1e-5) << packing;
  }
}
INSTANTIATE_TEST_SUITE_P(Spectra, Shapes, testing::Values("99M", "190M", "390M", "560M", "830M", "1.1B", "1.5B", "2.4B", "3.9B"));

}  // namespace
}  // namespace spectra::infer
