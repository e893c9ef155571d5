// SPDX-License-Identifier: Apache-2.0
#pragma once
// The parameters of a Transformer and how they are stacked for the GEMMs: q, k, v are one matrix, gate and up another. Ranks share
// the optimizer's work by blocks (ZeRO stage 1, Rajbhandari et al. 2020): the owner of a block keeps its masters and moments,
// updates them and hands out what forward and backward read.
#include <initializer_list>
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

struct LayerWeights {
  Stacked attention_norm;  ///< (1, D)
  Linear qkv;              ///< ((H + 2K) E, D)
  Linear o;                ///< (D, H E)
  Stacked mlp_norm;        ///< (1, D)
  Linear gate_up;          ///< (2F, D)
  Linear down;             ///< (D, F)
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
  void begin_block();
  Stacked stack(std::initializer_list<model::Slot> slots, bool everywhere);
  Linear linear(std::initializer_list<model::Slot> slots);
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
