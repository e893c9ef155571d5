// SPDX-License-Identifier: Apache-2.0
#include "infer/cpu/head_pass.h"

#include <algorithm>

namespace spectra::infer {

HeadPass::HeadPass(Team& team, const Model& model, const PreparedBatch& batch, Scratch& scratch, const kernels::Kernels& kernels)
    : team_(team),
      model_(model),
      batch_(batch),
      residual_(scratch.residual),
      s_(scratch.head),
      kernels_(kernels),
      rows_(team, scratch.head.rounded, head_type(model), kernels) {}

void HeadPass::run(Products& products, Results& results) {
  for (size_t begin = 0; begin < batch_.wanted.size(); begin += HeadScratch::kRows)
    rows(begin, std::min(begin + HeadScratch::kRows, batch_.wanted.size()), products, results);
}

/// Wanted rows [begin, end).
void HeadPass::rows(size_t begin, size_t end, Products& products, Results& results) {
  const int64_t hidden = model_.config.hidden, vocab = model_.config.vocab, count = static_cast<int64_t>(end - begin);
  rows_.make(s_.normed.data(), count, hidden, [&](int64_t i, float* row) {
    const int64_t from = batch_.wanted[begin + static_cast<size_t>(i)];
    kernels_.rmsnorm(row, residual_.data() + from * hidden, model_.final_norm.data(), static_cast<size_t>(hidden),
                     model_.config.norm_eps);
  });
  products.multiply(rows_, {{&model_.head, s_.logits.data()}});
  team_.barrier();
  if (!batch_.targets.empty()) {
    const Team::Range mine = team_.share(count);
    for (int64_t i = mine.begin; i < mine.end; ++i)
      s_.log_sums[static_cast<size_t>(i)] = kernels_.log_sum_exp(s_.logits.data() + i * vocab, static_cast<size_t>(vocab));
    team_.barrier();
  }
  report(begin, end, results);
  team_.barrier();
}

/// Copies out what was asked of wanted rows [begin, end).
void HeadPass::report(size_t begin, size_t end, Results& results) {
  const auto vocab = static_cast<size_t>(model_.config.vocab);
  const auto first = batch_.wanted.begin() + static_cast<ptrdiff_t>(begin),
             last = batch_.wanted.begin() + static_cast<ptrdiff_t>(end);
  const auto logits_of = [&](int32_t row) -> const float* {  // null where the row is in another chunk
    const auto found = std::lower_bound(first, last, row);
    return found != last && *found == row ? s_.logits.data() + static_cast<size_t>(found - first) * vocab : nullptr;
  };
  const Team::Range mine = team_.share(static_cast<int64_t>(batch_.logits_at.size()));
  for (int64_t i = mine.begin; i < mine.end; ++i)
    if (const float* logits = logits_of(batch_.logits_at[static_cast<size_t>(i)]))
      std::copy_n(logits, vocab, results.logits.data() + static_cast<size_t>(i) * vocab);
  const Team::Range scored = team_.share(static_cast<int64_t>(batch_.targets.size()));
  for (int64_t i = scored.begin; i < scored.end; ++i) {
    const Target& target = batch_.targets[static_cast<size_t>(i)];
    if (const float* logits = logits_of(target.row)) {
      const auto at = static_cast<size_t>(logits - s_.logits.data()) / vocab;
      results.scores[static_cast<size_t>(i)] = {logits[target.token] - s_.log_sums[at],
                                                std::max_element(logits, logits + vocab) == logits + target.token};
    }
  }
}

}  // namespace spectra::infer
