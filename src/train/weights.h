// SPDX-License-Identifier: Apache-2.0
#pragma once
// The parameters of a Transformer and how they are stacked for the GEMMs: q, k, v are one matrix, gate and up another. Ranks share
// the optimizer's work by blocks (ZeRO stage 1, Rajbhandari et al. 2020): the owner of a block keeps its masters and moments,
// updates them and hands out what forward and backward read.
#include <vector>

#include "train/memory.h"
#include "train/transformer.h"

namespace spectra::train {

/// One or more parameters that follow each other in file order, stacked by rows; master precision.
struct Stacked {
  ops::Tensor weight, gradient;
};

/// A stacked matrix and what GEMMs multiply with instead of it.
struct Linear {
  ops::Tensor gradient;         ///< (out, in) master
  ops::QuantizedWeight weight;  ///< (out, in)
};

/// What the input of a linear layer goes through before: a norm (its weight may be empty) or rounding.
struct InputStep {
  bool rounds = false;
  Stacked norm;  ///< (1, in); empty = all ones
};

/// A linear layer, or some that read the same input and are stacked, with what their input goes through.
struct Projection {
  std::vector<InputStep> steps;  ///< in order
  Linear linear;                 ///< (out, in)
};

/// Norm over each of some heads that lie side by side in qkv.
struct HeadNorm {
  Stacked norm;  ///< (1, E)
  int64_t first_head, heads;
};

struct LayerWeights {
  Stacked attention_norm;            ///< (1, D)
  std::vector<Projection> qkv;       ///< together ((H + 2K) E, D): one, or three where each has a norm of its own
  std::vector<Stacked> biases;       ///< of q, k and v (1, out), or none
  std::vector<HeadNorm> head_norms;  ///< of q and k, or none
  Projection o;                      ///< (D, H E)
  Stacked mlp_norm;                  ///< (1, D)
  std::vector<Projection> gate_up;   ///< together (2F, D): one or two
  Projection down;                   ///< (D, F)
};

class Weights {
 public:
  Weights(const model::Config& config, Precision precision, const Place& place, Memory& memory);
  /// Recomputes codes and scales of a block's Linears from the master weights. Only for its owner.
  void quantize(ops::Backend& backend, size_t block);

  std::vector<TrainedParameter> parameters;  ///< in file order; views into the stacked tensors
  std::vector<Block> blocks;                 ///< consecutive parameters
  Stacked embedding;                         ///< (V, D)
  std::vector<LayerWeights> layers;
  Stacked final_norm;  ///< (1, D)
  Linear head;         ///< (V, D); its gradient is the embedding's when tied
  ops::Tensor stats;   ///< (parameters, 2) i64: one row a parameter

 private:
  /// Codes of one parameter are rows of `target`, from row_begin on.
  struct Quantization {
    ops::QuantizedWeight target;
    ops::WeightKind kind;
    int64_t row_begin;
    size_t parameter, block;
  };
  /// A linear layer's slot and that of the norm right before it.
  struct LinearSlots {
    model::Slot linear, norm;
  };
  void begin_block();
  Stacked stack(const std::vector<model::Slot>& slots, bool everywhere);
  Stacked vector(model::Slot slot) { return stack({slot}, true); }
  Linear linear(const std::vector<model::Slot>& slots);
  LayerWeights layer();
  void add_steps(std::vector<InputStep>& steps, model::Slot norm);
  void add_projection(Projection& projection, const LinearSlots& slots);
  std::vector<Projection> projections(const std::vector<LinearSlots>& slots);
  Linear quantized(const Stacked& stacked, size_t first, size_t count);
  void add_shards(ops::QuantizedWeight& weight, size_t first, size_t count);

  const model::Config& config_;
  Precision precision_;
  Memory& memory_;
  std::vector<model::Parameter> infos_;
  std::vector<size_t> counts_;  // parameters of blocks
  std::vector<int> owners_;     // of blocks
  int rank_;
  int64_t placed_ = 0;  // elements of the current block's gradient
  std::vector<Quantization> quantizations_;
};

}  // namespace spectra::train
