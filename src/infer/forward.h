// SPDX-License-Identifier: Apache-2.0
#pragma once
// What runs forward passes: one device with a model's weights in the form that it multiplies, memory for keys and values, and
// scratch memory. It knows pages of keys and values by their numbers; whose they are is the engine's business (infer/engine.h).
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "infer/batch.h"
#include "infer/kv_pages.h"
#include "infer/results.h"
#include "infer/weights.h"

namespace spectra::infer {

/// Sees the input x (count, linear.cols) of every linear layer but the head, before rounding (GPTQ's Hessians).
using Observer = std::function<void(const Linear& linear, const float* x, int64_t count)>;

/// Successive rows of a batch that are successive positions of one sequence.
struct Run {
  size_t sequence;  ///< index of its page table
  int64_t row, position, count;
};

/// A batch that was checked and whose pages are claimed: N tokens of S sequences.
struct PreparedBatch {
  std::span<const int32_t> tokens, positions;         ///< (N)
  std::span<const int32_t> logits_at;                 ///< Batch::logits_at
  std::span<const Target> targets;                    ///< Batch::targets
  std::vector<size_t> sequences;                      ///< (N): index of each token's page table
  std::vector<std::span<const int32_t>> page_tables;  ///< (S): position p of a sequence is at p % 64 of page table[p / 64]
  std::vector<Run> runs;                              ///< all rows in order, each run as long as it can be
  std::vector<PageCopy> copies;                       ///< to be made in this order before anything else
  std::vector<int32_t> wanted;                        ///< rows of logits_at and targets, ascending, each once
  int64_t longest = 0;                                ///< positions that the longest of the sequences comes to hold

  int64_t count() const { return static_cast<int64_t>(tokens.size()); }  ///< N
};

class Forward {
 public:
  virtual ~Forward() = default;

  virtual int64_t pages() const = 0;  ///< of keys and values
  virtual int64_t page_bytes() const = 0;
  /// Stores keys and values of the batch's tokens in their pages, and answers what the batch asks for. What the observer (it may be
  /// empty) throws is thrown on at the end.
  virtual void run(const PreparedBatch& batch, const Observer& observer, Results& results) = 0;
};

}  // namespace spectra::infer
