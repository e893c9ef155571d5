// SPDX-License-Identifier: Apache-2.0
#include "infer/cpu/scratch.h"

#include <algorithm>

#include "infer/cpu/attention.h"

namespace spectra::infer {
namespace {

void grow(std::vector<float>& x, int64_t rows, int64_t cols) {
  if (x.size() < static_cast<size_t>(rows * cols)) x.resize(static_cast<size_t>(rows * cols));
}

}  // namespace

int64_t widest_input(const model::Config& c) { return std::max({c.hidden, c.q_dim(), c.glu}); }

ActivationType head_type(const Model& model) { return model.head.packed() ? ActivationType::kInt8 : ActivationType::kFp32; }

void HeadScratch::reserve(const Model& model, ActivationType type, size_t wanted, int threads) {
  const auto rows = static_cast<int64_t>(std::min(wanted, kRows)), slots = std::max<int64_t>(rows, threads);
  grow(normed, slots, model.config.hidden);
  grow(logits, rows, model.config.vocab);
  grow(log_sums, rows, 1);
  const Linear* const head[] = {&model.head};
  rounded.reserve(head, type, slots);
}

void Scratch::reserve(const Model& model, ActivationType type, const PreparedBatch& batch, int threads) {
  const model::Config& c = model.config;
  const int64_t n = batch.count(), slots = std::max<int64_t>(n, threads);
  for (auto* x : {&cos, &sin}) grow(*x, n, c.head_dim() / 2);
  for (auto* x : {&residual, &update}) grow(*x, n, c.hidden);
  const bool inner = c.sub_norms || c.linear_norms != model::LinearNorms::kNone;  // norms before o and down
  grow(normed, slots, inner ? widest_input(c) : c.hidden);
  for (auto* x : {&queries, &attended}) grow(*x, n, c.q_dim());
  for (auto* x : {&keys, &values}) grow(*x, n, c.kv_dim());
  for (auto* x : {&gate, &up}) grow(*x, n, c.glu);
  attention.resize(static_cast<size_t>(threads));
  for (auto& one : attention) grow(one, HeadCache::scratch(c, batch.longest), 1);
  if (slots > rounded.slots) rounded.reserve(model.linears(), type, slots);
  tiles.reserve(widest_input(c), std::max<int64_t>(n, HeadScratch::kRows), threads);
  head.reserve(model, head_type(model), batch.wanted.size(), threads);
}

void Scratch::cut_runs(const PreparedBatch& batch) {
  blocks.clear();
  for (const Run& run : batch.runs)
    for (int64_t i = 0; i < run.count; i += QueryBlock::kMost)
      blocks.push_back({run.sequence, run.row + i, run.position + i, std::min(run.count - i, QueryBlock::kMost)});
}

}  // namespace spectra::infer
