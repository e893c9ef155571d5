// SPDX-License-Identifier: Apache-2.0
#pragma once
// What happens inside the low-bit matrices while they are trained: their scales, how many weights are zero, how many codes moved,
// and how far the latent (master) weights are from the thresholds where a code changes.
//
// The distance is in units of the scale, because the thresholds move with it: of a ternary weight ||W|/γ - 0.5|, of a binary one
// |W - mean W_s| / α. Two numbers describe it. The fraction within 0.05 is the reservoir of weights that a few updates can flip:
// few flips with a large reservoir mean small steps, few flips with a small one mean that the weights have settled. The mean tells
// the two apart over the run: it grows while weights commit to a code and falls when weight decay pulls them back to a threshold.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ops/backend.h"
#include "ranks/ranks.h"
#include "train/transformer.h"

namespace spectra::train {

/// Of one low-bit matrix after an update.
struct LayerStatistics {
  std::string name;                     ///< "layers.3.self_attn.q_proj"
  std::vector<float> scales;            ///< (S) γ or α
  std::optional<double> zero_fraction;  ///< ternary
  double flip_fraction = 0;             ///< codes that the last update changed
  double near_fraction = 0;             ///< weights within kNearThreshold of a threshold
  double distance = 0;                  ///< mean distance from the threshold, in units of the scale
};
constexpr double kNearThreshold = 0.05;

/// Of every low-bit matrix, in file order; none for a float model. Every rank calls it, looks at the master weights that it keeps,
/// and gets all. Copies each matrix to the host: for now and then, not for every step.
std::vector<LayerStatistics> layer_statistics(ops::Backend& backend, ranks::Ranks& ranks, Transformer& model);

/// near_fraction and distance of a host matrix (rows, cols) with shards along `axis` as `bounds` cuts them; `scales` (S).
struct ThresholdDistance {
  double near_fraction = 0, mean = 0;
};
ThresholdDistance threshold_distance(const std::vector<float>& weights, int64_t cols, model::ShardAxis axis,
                                     const std::vector<int64_t>& bounds, const std::vector<float>& scales, model::Family family);

}  // namespace spectra::train
