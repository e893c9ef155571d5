// SPDX-License-Identifier: Apache-2.0
#pragma once
// Two models beside each other, as `spectra compare --json` measured them.
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"

namespace spectra::analysis {

struct ComparedModel {
  std::string path;
  double disk_bytes = 0, bits_per_linear_weight = 0, decode_tokens_per_second = 0;  ///< speed: 0 = not measured
};

/// One paired test: B − A over the same documents.
struct ComparedTest {
  std::string task, metric, compared;  ///< compared: "metric" or "log-likelihood"
  double documents = 0, a = 0, b = 0, difference = 0, low = 0, high = 0, p = 0, holm_p = 0;
};

struct ComparedText {
  double tokens = 0, kl = 0, kl_stderr = 0, top1_agreement = 0, perplexity_a = 0, perplexity_b = 0;
};

struct Comparison {
  ComparedModel a, b;
  std::string activations;
  std::vector<ComparedTest> tests;
  std::optional<ComparedText> text;
};

/// Throws Error (exit 3) for anything else.
Comparison read_comparison(const fs::path& path);

}  // namespace spectra::analysis
