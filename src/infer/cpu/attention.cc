// SPDX-License-Identifier: Apache-2.0
#include "infer/cpu/attention.h"

#include <algorithm>
#include <type_traits>

#include "base/half.h"

namespace spectra::infer {
namespace {

constexpr int64_t kPositionBlock = 16;  // positions side by side

/// x (n) as T; returns the scale, 1 unless T is int8.
float convert(float* y, const float* x, int64_t n, const kernels::Kernels&) {
  std::copy_n(x, n, y);
  return 1.0f;
}
float convert(fp16* y, const float* x, int64_t n, const kernels::Kernels& k) {
  k.to_fp16(y, x, static_cast<size_t>(n));
  return 1.0f;
}
float convert(int8_t* y, const float* x, int64_t n, const kernels::Kernels& k) {
  const float scale = k.absmax(x, static_cast<size_t>(n)) / 127.0f;
  k.quantize_i8(y, x, static_cast<size_t>(n), scale);
  return scale;
}

int64_t rounded_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

HeadCache::HeadCache(KvMemory& memory, const model::Config& config, KvType type, int64_t layer, const kernels::Kernels& kernels)
    : memory_(memory),
      type_(type),
      kernels_(kernels),
      head_dim_(config.head_dim()),
      width_(rounded_up(config.head_dim(), kPositionBlock)),
      head_bytes_(kv_head_bytes(config, type)),
      first_(layer * config.kv_heads * head_bytes_),
      window_(config.window > 0 ? config.window : config.max_position) {}

int64_t HeadCache::scratch(const model::Config& config, int64_t positions) {
  return QueryBlock::kMost * (rounded_up(positions, kPagePositions) + rounded_up(config.head_dim(), kPositionBlock));
}

template <class T>
const float* HeadCache::scales(const T* keys) const {
  if (!std::is_same_v<T, int8_t>) return nullptr;
  return reinterpret_cast<const float*>(keys + kPagePositions * (head_dim_ + width_));
}

template <class T>
void HeadCache::store_as(std::byte* page, int64_t slot, const float* key, const float* value, float* scratch) {
  T* keys = reinterpret_cast<T*>(page);
  T* values = keys + kPagePositions * head_dim_ + slot * width_;
  T* row = reinterpret_cast<T*>(scratch);
  const float key_scale = convert(row, key, head_dim_, kernels_);
  T* block = keys + slot / kPositionBlock * head_dim_ * kPositionBlock + slot % kPositionBlock;
  for (int64_t e = 0; e < head_dim_; ++e) block[e * kPositionBlock] = row[e];
  const float value_scale = convert(values, value, head_dim_, kernels_);
  std::fill(values + head_dim_, values + width_, T{});
  if (float* scale = const_cast<float*>(scales(keys))) {
    scale[slot] = key_scale;
    scale[kPagePositions + slot] = value_scale;
  }
}

void HeadCache::store(std::span<const int32_t> pages, int64_t position, int64_t kv_head, const float* key, const float* value,
                      float* scratch) {
  std::byte* at = page(pages, position, kv_head);
  const int64_t slot = position % kPagePositions;
  switch (type_) {
    case KvType::kFp32:
      return store_as<float>(at, slot, key, value, scratch);
    case KvType::kFp16:
      return store_as<fp16>(at, slot, key, value, scratch);
    case KvType::kInt8:
      return store_as<int8_t>(at, slot, key, value, scratch);
  }
}

template <class T>
void HeadCache::attend_as(const QueryBlock& block, int64_t kv_head, const kernels::Attention<T>& kernel, float* scratch) {
  const int64_t length = block.position + block.count;  // of the last query
  const auto first_seen = [&](int64_t q) { return std::max<int64_t>(block.position + q + 1 - window_, 0); };
  const int64_t first = first_seen(0) / kPagePositions * kPagePositions;  // of the scores
  const int64_t stride = rounded_up(length - first, kPagePositions);
  float *scores = scratch, *sums = scratch + block.count * stride;
  const auto queries = static_cast<size_t>(block.count), head_dim = static_cast<size_t>(head_dim_),
             width = static_cast<size_t>(width_);
  for (int64_t begin = first; begin < length; begin += kPagePositions) {
    const T* keys = reinterpret_cast<const T*>(page(block.pages, begin, kv_head));
    // Several queries take whole pages, which the kernel does side by side; nobody looks at scores beyond `length`.
    const int64_t blocks = block.count > 1 ? kPagePositions / kPositionBlock
                                           : (std::min(length - begin, kPagePositions) + kPositionBlock - 1) / kPositionBlock;
    kernel.scores(scores + begin - first, static_cast<size_t>(stride), block.queries, static_cast<size_t>(block.query_stride),
                  queries, keys, scales(keys), head_dim, static_cast<size_t>(blocks));
  }
  for (int64_t q = 0; q < block.count; ++q) {
    float* row = scores + q * stride;
    const int64_t begin = first_seen(q) - first, end = block.position + q + 1 - first;
    kernels_.softmax(row + begin, static_cast<size_t>(end - begin));
    std::fill(row, row + begin, 0.0f);  // other queries of the block see these positions
    std::fill(row + end, row + length - first, 0.0f);
  }
  std::fill_n(sums, block.count * width_, 0.0f);
  for (int64_t begin = first; begin < length; begin += kPagePositions) {
    const T* keys = reinterpret_cast<const T*>(page(block.pages, begin, kv_head));
    const float* scale = scales(keys);
    kernel.values(sums, width, scores + begin - first, static_cast<size_t>(stride), queries, keys + kPagePositions * head_dim_,
                  scale == nullptr ? nullptr : scale + kPagePositions, width,
                  static_cast<size_t>(std::min(length - begin, kPagePositions)));
  }
  for (int64_t q = 0; q < block.count; ++q) std::copy_n(sums + q * width_, head_dim, block.out + q * block.query_stride);
}

void HeadCache::attend(const QueryBlock& block, int64_t kv_head, float* scratch) {
  switch (type_) {
    case KvType::kFp32:
      return attend_as<float>(block, kv_head, kernels_.attention_f32, scratch);
    case KvType::kFp16:
      return attend_as<fp16>(block, kv_head, kernels_.attention_fp16, scratch);
    case KvType::kInt8:
      return attend_as<int8_t>(block, kv_head, kernels_.attention_i8, scratch);
  }
}

}  // namespace spectra::infer
