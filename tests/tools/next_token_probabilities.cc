// SPDX-License-Identifier: Apache-2.0
// next_token_probabilities MODEL ID...: probabilities of the token after these, with fp32 activations, as one JSON object from id
// to probability (those above 1e-6). For tests that compare with other programs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "infer/engine.h"

int main(int argc, char** argv) {
  using namespace spectra;
  try {
    infer::EngineOptions options;
    options.activations = infer::ActivationType::kFp32;
    infer::Engine engine(infer::load_model(argv[1]), options);
    infer::Batch batch;
    const int32_t sequence = engine.open_sequence();
    for (int i = 2; i < argc; ++i) batch.add(std::atoi(argv[i]), i - 2, sequence);
    batch.logits_at = {argc - 3};
    const std::vector<float> logits = engine.forward(batch).logits;
    const double top = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit - top);
    std::string text;
    for (size_t id = 0; id < logits.size(); ++id) {
      const double p = std::exp(logits[id] - top) / sum;
      if (p > 1e-6) text += fmt::format("{}\"{}\": {}", text.empty() ? "" : ", ", id, p);
    }
    fmt::print("{{{}}}\n", text);
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
