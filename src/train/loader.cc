// SPDX-License-Identifier: Apache-2.0
#include "train/loader.h"

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"

namespace spectra::train {
namespace {

constexpr uint32_t kRounds = 4;

/// One Feistel round's function: 32 random bits of (seed, epoch, round, half).
uint32_t round_bits(uint32_t half, uint32_t round, uint64_t seed, uint64_t epoch) {
  return philox({half, round, static_cast<uint32_t>(epoch), static_cast<uint32_t>(epoch >> 32)},
                {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)})[0];
}

}  // namespace

uint64_t permute(uint64_t index, uint64_t count, uint64_t seed, uint64_t epoch) {
  SPECTRA_CHECK(index < count, "{} of {}", index, count);
  uint32_t half_bits = 1;
  while (half_bits < 32 && (uint64_t{1} << (2 * half_bits)) < count) ++half_bits;
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  do {
    uint64_t left = index >> half_bits, right = index & mask;
    for (uint32_t round = 0; round < kRounds; ++round) {
      const uint64_t mixed = left ^ (round_bits(static_cast<uint32_t>(right), round, seed, epoch) & mask);
      left = right;
      right = mixed;
    }
    index = (left << half_bits) | right;
  } while (index >= count);
  return index;
}

Loader::Loader(const format::TokenStream& stream, int64_t sequence, uint64_t seed, const std::string& where)
    : stream_(stream), sequence_(sequence), seed_(seed), windows_(0) {
  const uint64_t needed = static_cast<uint64_t>(sequence) + 1;
  if (stream.size() < needed)
    throw bad_input(
        fmt::format("{}: split \"train\" holds {} tokens, fewer than the {} of one window", where, stream.size(), needed),
        "prepare more text, or lower train.sequence");
  windows_ = (stream.size() - 1) / static_cast<uint64_t>(sequence);
}

void Loader::read(uint64_t first, int64_t count, std::vector<int32_t>& tokens, std::vector<int32_t>& targets) const {
  const auto length = static_cast<size_t>(sequence_);
  tokens.resize(static_cast<size_t>(count) * length);
  targets.resize(tokens.size());
  for (size_t row = 0; row < static_cast<size_t>(count); ++row) {
    const uint64_t i = first + row;
    const uint64_t begin = permute(i % windows_, windows_, seed_, i / windows_) * length;
    stream_.read(begin, length, tokens.data() + row * length);
    stream_.read(begin + 1, length, targets.data() + row * length);
  }
}

ValidationWindows::ValidationWindows(const format::TokenStream& stream, int64_t sequence, int64_t budget, const std::string& where)
    : stream_(stream), sequence_(sequence), scored_(0) {
  if (stream.size() < 2)
    throw bad_input(fmt::format("{}: split \"valid\" holds {} tokens; nothing can be scored", where, stream.size()),
                    "prepare it with more validation text, or without a validation split");
  scored_ = std::min(budget, static_cast<int64_t>(stream.size() - 1));
}

void ValidationWindows::read(int64_t first, int64_t count, std::vector<int32_t>& tokens, std::vector<int32_t>& targets) const {
  tokens.assign(static_cast<size_t>(count * sequence_), 0);
  targets.assign(tokens.size(), -1);
  for (int64_t row = 0; row < count; ++row) {
    const int64_t begin = (first + row) * sequence_, length = std::min(sequence_, scored_ - begin);
    if (length <= 0) return;
    const size_t at = static_cast<size_t>(row * sequence_);
    stream_.read(static_cast<uint64_t>(begin), static_cast<uint64_t>(length), tokens.data() + at);
    stream_.read(static_cast<uint64_t>(begin) + 1, static_cast<uint64_t>(length), targets.data() + at);
  }
}

}  // namespace spectra::train
