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

/// First keys of one row: tokens [begin, begin + length) of the stream, of which a document may begin before the row.
void read_first_keys(const format::TokenStream& stream, uint64_t begin, uint64_t length, int32_t* row) {
  std::fill_n(row, length, 0);
  for (const uint64_t start : stream.document_starts(begin, begin + length))
    std::fill(row + (start - begin), row + length, static_cast<int32_t>(start - begin));
}

std::vector<double> weights_of(const std::vector<LoaderSource>& sources) {
  std::vector<double> weights;
  for (const LoaderSource& source : sources) weights.push_back(source.weight);
  return weights;
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

Loader::Loader(std::vector<LoaderSource> sources, int64_t sequence, uint64_t seed, bool mask_documents)
    : sources_(std::move(sources)),
      mixture_(weights_of(sources_)),
      sequence_(sequence),
      seed_(seed),
      mask_documents_(mask_documents) {
  const uint64_t needed = static_cast<uint64_t>(sequence) + 1;
  for (const LoaderSource& source : sources_)
    if (source.stream->size() < needed)
      throw bad_input(
          fmt::format("{} holds {} tokens, fewer than the {} of one window", source.name, source.stream->size(), needed),
          "prepare more text, or lower train.sequence");
}

Loader::Place Loader::place(uint64_t sequence) const {
  const Mixture::Place mixed = mixture_.place(sequence);
  const auto length = static_cast<uint64_t>(sequence_);
  Place place{};
  place.source = mixed.source;
  place.windows_there = (sources_[mixed.source].stream->size() - 1) / length;
  place.epoch = mixed.index / place.windows_there;
  place.window = permute(mixed.index % place.windows_there, place.windows_there, seed_, place.epoch);
  place.begin = place.window * length;
  return place;
}

void Loader::read(uint64_t first, int64_t count, MicroBatch& batch) const {
  const auto length = static_cast<size_t>(sequence_);
  batch.tokens.resize(static_cast<size_t>(count) * length);
  batch.targets.resize(batch.tokens.size());
  batch.first_keys.resize(mask_documents_ ? batch.tokens.size() : 0);
  for (size_t row = 0; row < static_cast<size_t>(count); ++row) {
    const Place from = place(first + row);
    const format::TokenStream& stream = *sources_[from.source].stream;
    stream.read(from.begin, length, batch.tokens.data() + row * length);
    stream.read(from.begin + 1, length, batch.targets.data() + row * length);
    if (mask_documents_) read_first_keys(stream, from.begin, length, batch.first_keys.data() + row * length);
  }
}

ValidationWindows::ValidationWindows(const std::vector<LoaderSource>& splits, int64_t sequence, int64_t budget, bool mask_documents)
    : sequence_(sequence), mask_documents_(mask_documents) {
  double total = 0;
  for (const LoaderSource& split : splits) total += split.weight;
  for (const LoaderSource& split : splits) {
    if (split.stream->size() < 2)
      throw bad_input(fmt::format("{} holds {} tokens; nothing can be scored", split.name, split.stream->size()),
                      "prepare it with more validation text, or without a validation split");
    const auto share = static_cast<int64_t>(static_cast<double>(budget) * (split.weight / total));
    const int64_t scored = std::min(std::max<int64_t>(share, 1), static_cast<int64_t>(split.stream->size() - 1));
    splits_.push_back({split.stream, windows_, scored});
    windows_ += (scored + sequence - 1) / sequence;
  }
}

int64_t ValidationWindows::scored() const {
  int64_t total = 0;
  for (const Split& split : splits_) total += split.scored;
  return total;
}

int64_t ValidationWindows::windows() const { return windows_; }

void ValidationWindows::read_row(int64_t window, size_t at, MicroBatch& batch) const {
  const auto after = [](int64_t w, const Split& split) { return w < split.first_window; };
  const Split& split = *(std::upper_bound(splits_.begin(), splits_.end(), window, after) - 1);
  const int64_t begin = (window - split.first_window) * sequence_;
  const auto from = static_cast<uint64_t>(begin), tokens = static_cast<uint64_t>(std::min(sequence_, split.scored - begin));
  split.stream->read(from, tokens, batch.tokens.data() + at);
  split.stream->read(from + 1, tokens, batch.targets.data() + at);
  if (mask_documents_) read_first_keys(*split.stream, from, tokens, batch.first_keys.data() + at);
}

void ValidationWindows::read(int64_t first, int64_t count, MicroBatch& batch) const {
  batch.tokens.assign(static_cast<size_t>(count * sequence_), 0);
  batch.targets.assign(batch.tokens.size(), -1);
  batch.first_keys.assign(mask_documents_ ? batch.tokens.size() : 0, 0);
  for (int64_t row = 0; row < count && first + row < windows_; ++row)
    read_row(first + row, static_cast<size_t>(row * sequence_), batch);
}

}  // namespace spectra::train
