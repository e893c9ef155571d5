// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rotary positions (Su et al. 2021): which angle each pair of a head turns by, and how that is stretched for longer texts than a
// model was trained on.
#include <cstdint>
#include <string>
#include <vector>

namespace spectra::model {

enum class RopeScaling : uint8_t {
  kDefault,
  kLinear,  ///< all frequencies divided by `factor` (position interpolation, Chen et al. 2023)
  kLlama3,  ///< low frequencies divided, high ones kept, a ramp between them (Llama 3.1)
  kYarn     ///< the ramp over dimensions, and larger scores (Peng et al. 2023)
};
/// As config.json has it: "default", "linear", "llama3" or "yarn".
const char* rope_scaling_name(RopeScaling scaling);

/// Numbers that the scaling at hand does not have are ignored.
struct Rope {
  float theta = 10000.0f;
  RopeScaling scaling = RopeScaling::kDefault;
  double factor = 1;                                 ///< linear, llama3, yarn: how much longer the texts become
  int64_t original_positions = 0;                    ///< llama3, yarn: longest text before; 0 = the config's max_position (yarn)
  double low_frequency = 1, high_frequency = 4;      ///< llama3: turns within the original text where the ramp begins and ends
  double fast = 32, slow = 1;                        ///< yarn: the same (beta_fast, beta_slow)
  bool truncate = true;                              ///< yarn: the ramp begins and ends at whole dimensions
  double attention_factor = 0;                       ///< yarn; 0 = from the factor
  double score_scale = 0, score_scale_all_dims = 0;  ///< yarn: mscale, mscale_all_dim; 0 = absent
};

struct RopeFrequencies {
  std::vector<double> inverse;  ///< (E/2): the angle of pair i at position p is p * inverse[i]
  double attention_factor = 1;  ///< sine and cosine are multiplied by it
};
/// As transformers' ROPE_INIT_FUNCTIONS, in double. `positions`: the config's max_position.
RopeFrequencies rope_frequencies(const Rope& rope, int64_t head_dim, int64_t positions);

/// Throws Error naming a number that makes no sense.
void validate(const Rope& rope);

}  // namespace spectra::model
