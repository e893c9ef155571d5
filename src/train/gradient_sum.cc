// SPDX-License-Identifier: Apache-2.0
#include "train/gradient_sum.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace spectra::train {
namespace {

/// Elements [begin, begin + count) of a single row, dense.
ops::Tensor slice_of(const ops::Tensor& row, int64_t begin, int64_t count) {
  return {row.col_range(begin, count).data, row.dtype, 1, count};
}

}  // namespace

GradientSum::GradientSum(ops::Backend& backend, ranks::Ranks& ranks, Transformer& model, int64_t groups)
    : backend_(backend), ranks_(ranks), transfers_(backend, ranks), model_(model), groups_(groups) {
  SPECTRA_CHECK(std::has_single_bit(static_cast<uint64_t>(groups)), "{} groups", groups);
  const auto tensor = [&](int64_t rows, int64_t cols) {
    memory_.push_back(backend.allocate(static_cast<size_t>(rows * cols) * dtype_size(backend.master())));
    return ops::Tensor(memory_.back().data(), backend.master(), rows, cols);
  };
  for (int64_t level = 1; level < groups; level *= 2) {
    kept_.emplace_back();
    for (const Block& block : model.blocks()) kept_.back().push_back(tensor(1, block.gradient.cols));
  }
  int64_t largest = 0;
  for (const Block& block : model.blocks())
    if (block.owner == ranks.rank()) largest = std::max(largest, block.gradient.cols);
  for (size_t i = 0; i < kInFlight && ranks.size() > 1 && largest > 0; ++i) {
    buffers_.push_back(tensor(ranks.size() - 1, std::min(largest, kBucket)));
    free_.push_back(i);
  }
}

uint64_t GradientSum::memory_needed(uint64_t gradient_bytes, int ranks, int64_t groups) {
  const auto levels = static_cast<uint64_t>(std::bit_width(static_cast<uint64_t>(groups)) - 1);
  const uint64_t buffer = std::min<uint64_t>(gradient_bytes, uint64_t{kBucket} * sizeof(float));
  return levels * gradient_bytes + kInFlight * buffer * static_cast<uint64_t>(ranks - 1);
}

/// Level n holds the sum of the last 2^n groups where bit n of the groups ended so far is set: adding one is counting up in binary.
void GradientSum::end_group() {
  size_t level = 0;
  for (; (ended_ >> level & 1) != 0; ++level)
    for (size_t b = 0; b < model_.blocks().size(); ++b) backend_.add(model_.blocks()[b].gradient, kept_[level][b]);
  for (size_t b = 0; b < model_.blocks().size(); ++b) {
    backend_.copy(kept_[level][b], model_.blocks()[b].gradient);
    backend_.zero(model_.blocks()[b].gradient);
  }
  ++ended_;
}

void GradientSum::block_ready(size_t block) {
  const Block& b = model_.blocks()[block];
  SPECTRA_CHECK(ended_ == groups_ - 1, "{} of {} groups ended", ended_, groups_);
  for (const std::vector<ops::Tensor>& level : kept_) backend_.add(b.gradient, level[block]);
  if (ranks_.size() == 1) return;
  for (int64_t begin = 0; begin < b.gradient.cols; begin += kBucket) {
    const ops::Tensor slice = slice_of(b.gradient, begin, std::min(kBucket, b.gradient.cols - begin));
    if (b.owner == ranks_.rank())
      waiting_.push_back({slice});
    else
      transfers_.exchange(std::vector<ranks::Part>{{b.owner, slice}}, {});
  }
  add_arrived(false);
}

void GradientSum::finish() {
  while (!waiting_.empty() || !flying_.empty()) add_arrived(true);
  transfers_.wait_all();
  ended_ = 0;
}

/// What `rank` contributes to a bucket: the own gradient or the row of the receive buffer that stands for another rank.
ops::Tensor GradientSum::part_of(const Bucket& bucket, int rank) const {
  if (rank == ranks_.rank()) return bucket.gradient;
  return slice_of(buffers_[bucket.buffer].row_range(rank < ranks_.rank() ? rank : rank - 1, 1), 0, bucket.gradient.cols);
}

void GradientSum::receive_next() {
  while (!waiting_.empty() && !free_.empty()) {
    Bucket bucket = waiting_.front();
    waiting_.pop_front();
    bucket.buffer = free_.back();
    free_.pop_back();
    std::vector<ranks::Part> parts;
    for (int rank = 0; rank < ranks_.size(); ++rank)
      if (rank != ranks_.rank()) parts.push_back({rank, part_of(bucket, rank)});
    bucket.ticket = transfers_.exchange({}, parts);
    flying_.push_back(std::move(bucket));
  }
}

/// Adds the buckets that are complete, in their order. `wait`: at least one.
void GradientSum::add_arrived(bool wait) {
  receive_next();
  while (!flying_.empty()) {
    const Bucket& bucket = flying_.front();
    if (wait)
      transfers_.wait(bucket.ticket);
    else if (!transfers_.progress(bucket.ticket))
      return;
    wait = false;
    add(bucket);
    free_.push_back(bucket.buffer);
    flying_.pop_front();
    receive_next();
  }
}

/// The upper levels of the tree: neighbours first, then pairs of them.
void GradientSum::add(const Bucket& bucket) {
  for (int step = 1; step < ranks_.size(); step *= 2)
    for (int rank = 0; rank + step < ranks_.size(); rank += 2 * step)
      backend_.add(part_of(bucket, rank), part_of(bucket, rank + step));
  if (!ranks_.first()) backend_.copy(bucket.gradient, part_of(bucket, 0));
}

}  // namespace spectra::train
