// SPDX-License-Identifier: Apache-2.0
#include "train/mixture.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace spectra::train {
namespace {

__extension__ using Wide = unsigned __int128;

}  // namespace

Mixture::Mixture(const std::vector<double>& weights) {
  double sum = 0;
  for (const double weight : weights) {
    SPECTRA_CHECK(weight > 0 && std::isfinite(weight), "weight {}", weight);
    sum += weight;
  }
  for (const double weight : weights) {
    shares_.push_back(std::max<uint64_t>(1, static_cast<uint64_t>(std::llround(weight / sum * 0x1p32))));
    total_ += shares_.back();
  }
  SPECTRA_CHECK(!shares_.empty());
}

Mixture::Place Mixture::place(uint64_t i) const {
  SPECTRA_CHECK(i >> 62 == 0, "sequence {}", i);
  const uint64_t sources = shares_.size();
  // Wishes up to time i - K/2.
  std::vector<uint64_t> counts(sources, 0);
  uint64_t done = 0;
  if (2 * i > sources)
    for (size_t k = 0; k < sources; ++k) {
      counts[k] = static_cast<uint64_t>((static_cast<Wide>(2 * i - sources) * shares_[k] + total_) / (2 * total_));
      done += counts[k];
    }
  SPECTRA_CHECK(done <= i && i - done <= sources, "sequence {}: {} before", i, done);
  for (;; ++done) {
    size_t next = 0;  // the earliest wish: (2 c + 1) / share, compared crosswise
    for (size_t k = 1; k < sources; ++k)
      if (static_cast<Wide>(2 * counts[k] + 1) * shares_[next] < static_cast<Wide>(2 * counts[next] + 1) * shares_[k]) next = k;
    if (done == i) return {next, counts[next]};
    ++counts[next];
  }
}

}  // namespace spectra::train
