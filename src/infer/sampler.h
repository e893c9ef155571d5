// SPDX-License-Identifier: Apache-2.0
#pragma once
// From logits to the next token.
#include <cstdint>
#include <span>
#include <vector>

namespace spectra::infer {

struct LogitBias {
  int32_t token;
  double bias;
};

/// Applied in this order; each filter sees the probabilities that the one before left, as in transformers.
struct Sampling {
  std::vector<LogitBias> logit_bias = {};  ///< added to logits
  double repetition_penalty = 1;  ///< > 0; logits of tokens seen: divided where positive, else multiplied (Keskar et al. 2019)
  double presence_penalty = 0;    ///< subtracted from logits of tokens among those seen from `penalize_from` on
  double frequency_penalty = 0;   ///< subtracted once for each time they are there
  int64_t penalize_from = 0;      ///< what was seen before, the prompt, does not count for these two
  double temperature = 0;         ///< logits / temperature; 0 = greedy: the largest logit, no filter applies
  int64_t top_k = 0;              ///< only the k most probable; 0 = all
  double top_p = 1;               ///< only the fewest most probable that together reach p (Holtzman et al. 2020)
  double min_p = 0;               ///< only those at least min_p times as probable as the most probable
  uint64_t seed = 0;
};
/// Throws Error (exit 2) naming the option that is out of range.
void validate(const Sampling& sampling);

/// Not thread-safe: keeps scratch memory.
class Sampler {
 public:
  /// Throws Error as validate() does.
  explicit Sampler(const Sampling& sampling) { set(sampling); }
  void set(const Sampling& sampling);

  /// The next token: a pure function of the settings, `logits` (index = token; leave out rows that must not be drawn), `seen`
  /// (prompt and generated tokens) and `step`, the number of tokens generated before. Among equal logits the smaller id comes
  /// first. Throws Error when no logit is finite.
  int32_t sample(std::span<const float> logits, std::span<const int32_t> seen, uint64_t step) {
    filter(logits, seen);
    return draw(step);
  }

  /// sample() in two steps: what may be drawn next, its probabilities after all filters (index = token; `size` of them), and the
  /// draw.
  void filter(std::span<const float> logits, std::span<const int32_t> seen);
  std::vector<double> probabilities(size_t size) const;
  int32_t draw(uint64_t step) const;

 private:
  struct Candidate {
    float logit;
    int32_t token;
    double weight;  ///< proportional to its probability
  };
  bool changes_logits() const;
  void change_logits(std::span<const int32_t> seen);
  double weigh(std::span<const float> logits, float largest);
  void keep_top_k();
  void keep_top_p(double total);
  int32_t draw_of_all(double uniform) const;

  Sampling sampling_;
  std::vector<float> changed_;  ///< logits after bias and penalties
  // What may be drawn: the candidates, or where there are none all tokens by their weights, added in blocks.
  std::vector<Candidate> candidates_;
  std::vector<float> weights_;
  std::vector<double> sums_;
};

}  // namespace spectra::infer
