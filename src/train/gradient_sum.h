// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sum of a step's gradients over all ranks, block by block, while the backward pass still works on the blocks before. A step's
// sequences are cut into groups of neighbours; each group's gradient is summed by itself, then groups are added in a binary tree:
//   ((g0 + g1) + (g2 + g3)) + ((g4 + g5) + (g6 + g7))
// A rank adds up its own groups (the lower levels), the owner of a block the rest. So with a fixed number of groups
// (train.reduction_groups) the bits do not depend on how many ranks there are.
//
// Every rank sends its part of a bucket (a slice of a block) straight to the owner: the same volume as a ring's reduce-scatter, an
// order of additions that is ours, and none of MPI's own reductions, whose speed on one host is poor.
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "ops/backend.h"
#include "ranks/transfers.h"
#include "train/transformer.h"

namespace spectra::train {

class GradientSum {
 public:
  /// `groups`: of each rank, a power of two.
  GradientSum(ops::Backend& backend, ranks::Ranks& ranks, Transformer& model, int64_t groups);
  /// After the last micro-batch of a group that is not the rank's last one: keeps its gradients and begins the next group at zero.
  void end_group();
  /// During the last micro-batch of the rank's last group, when `block` is complete.
  void block_ready(size_t block);
  /// After that micro-batch. The gradients of the blocks this rank owns are now those of the whole step.
  void finish();
  /// Memory it takes beside the gradients.
  static uint64_t memory_needed(uint64_t gradient_bytes, int ranks, int64_t groups);

 private:
  /// Elements of a slice: 8 MiB of fp32. Smaller ones cost latency, larger ones delay the first addition.
  static constexpr int64_t kBucket = int64_t{1} << 21;
  /// Slices an owner receives at the same time.
  static constexpr size_t kInFlight = 4;

  struct Bucket {
    ops::Tensor gradient;  // (1, n) part of a block this rank owns
    size_t buffer = 0, ticket = 0;
  };
  void receive_next();
  void add_arrived(bool wait);
  void add(const Bucket& bucket);
  ops::Tensor part_of(const Bucket& bucket, int rank) const;

  ops::Backend& backend_;
  ranks::Ranks& ranks_;
  ranks::Transfers transfers_;
  Transformer& model_;
  int64_t groups_, ended_ = 0;
  std::vector<std::vector<ops::Tensor>> kept_;  // [level][block]: sums of 2^level groups
  std::vector<ops::Buffer> memory_;
  std::vector<ops::Tensor> buffers_;  // (ranks - 1, kBucket)
  std::vector<size_t> free_;          // of buffers_
  std::deque<Bucket> waiting_, flying_;
};

}  // namespace spectra::train
