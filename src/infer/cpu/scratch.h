// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the threads of a forward pass share; kept between passes, so that a step allocates nothing.
#include <cstdint>
#include <exception>
#include <vector>

#include "infer/cpu/linear.h"
#include "infer/cpu/rounded_rows.h"
#include "infer/forward.h"

namespace spectra::infer {

/// Of the final norm and the head: R wanted rows at a time.
struct HeadScratch {
  /// 64 x 50304 floats are 13 MB, and the head is read once for 64 rows.
  static constexpr size_t kRows = 64;

  std::vector<float> normed;            ///< (R or threads, D)
  std::vector<float> logits, log_sums;  ///< (R, V), (R)
  RowBuffers rounded;

  void reserve(const Model& model, ActivationType type, size_t wanted, int threads);
};

/// N tokens; D hidden, F GLU, H heads, K kv heads, E head_dim.
struct Scratch {
  std::vector<Run> blocks;                    ///< the batch's runs, cut into blocks of queries
  std::vector<float> cos, sin;                ///< (N, E/2)
  std::vector<float> residual;                ///< (N, D): the residual stream
  std::vector<float> normed;                  ///< (N or threads, D, H E or F): what linear layers take, normed
  std::vector<float> queries, attended;       ///< (N, H E)
  std::vector<float> keys, values;            ///< (N, K E)
  std::vector<float> gate, up;                ///< (N, F); gate becomes their product
  std::vector<float> update;                  ///< (N, D): what a block adds to the residual stream
  std::vector<std::vector<float>> attention;  ///< one a thread
  RowBuffers rounded;
  TileBuffers tiles;
  HeadScratch head;
  std::exception_ptr failure;  ///< what the observer threw

  void reserve(const Model& model, ActivationType type, const PreparedBatch& batch, int threads);
  void cut_runs(const PreparedBatch& batch);
};

/// Columns of the widest matrix in a layer.
int64_t widest_input(const model::Config& config);

/// What the head multiplies: int8 where it is int8 itself, whatever the other layers take; else fp32.
ActivationType head_type(const Model& model);

}  // namespace spectra::infer
