// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the Spectra paper (arXiv 2407.12327v5) measured, to stand beside a study's own numbers.
#include <string>
#include <vector>

namespace spectra::analysis {

/// Validation loss = a / N^alpha + offset after 300B tokens (its section 4.3).
struct PaperFit {
  double a, alpha, offset;
  double at(double parameters) const;
};
constexpr PaperFit kPaperFloat{159, 0.26, 1.67}, kPaperTernary{185, 0.26, 1.76};

struct PaperPoint {
  const char* size;
  double parameters, value;
};
/// Final validation loss of BiLMs minus that of TriLMs, nats (its figure 15).
const std::vector<PaperPoint>& paper_binary_gap();
/// Mean accuracy in per cent over ARC-C, ARC-E, HellaSwag, PIQA (length-normalized), BoolQ and WinoGrande (its table 6). `kind`:
/// "FloatLM", "QuantLM 4-bit", "TriLM", "BiLM" ...; empty for any other. BiLM: recomputed from its columns.
std::vector<PaperPoint> paper_six_task_average(const std::string& kind);
/// Parameters of the paper's nine sizes as its tables print them.
const std::vector<PaperPoint>& paper_sizes();

}  // namespace spectra::analysis
