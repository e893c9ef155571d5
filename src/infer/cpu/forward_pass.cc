// SPDX-License-Identifier: Apache-2.0
#include "infer/cpu/forward_pass.h"

#include <algorithm>
#include <cmath>

#include "infer/cpu/head_pass.h"

namespace spectra::infer {

ForwardPass::ForwardPass(Team& team, CpuForward& forward, const PreparedBatch& batch, const Observer& observer)
    : team_(team),
      forward_(forward),
      model_(*forward.model_),
      config_(model_.config),
      kernels_(forward.kernels_),
      batch_(batch),
      observer_(observer),
      s_(forward.scratch_),
      count_(batch.count()),
      rows_(team, s_.rounded, forward.activations_, kernels_),
      products_(team, s_.tiles, kernels_) {}

void ForwardPass::run(Results& results) {
  embed();
  for (int64_t i = 0; i < config_.layers; ++i) layer(i);
  HeadPass(team_, model_, batch_, s_, kernels_).run(products_, results);
}

/// Pre-norm decoder layer with SwiGLU (paper 1.2).
void ForwardPass::layer(int64_t index) {
  const Layer& w = model_.layers[static_cast<size_t>(index)];

  make_normed(w.input_norm);
  show({&w.q, &w.k, &w.v});
  products_.multiply(rows_, {{&w.q, s_.queries.data()}, {&w.k, s_.keys.data()}, {&w.v, s_.values.data()}});
  attention(index);
  rows_.set(s_.attended.data(), count_, config_.heads * config_.head_dim());
  add_to_residual(w.o);

  make_normed(w.post_attention_norm);
  swiglu(w.gate, w.up);
  rows_.set(s_.gate.data(), count_, config_.glu);
  add_to_residual(w.down);
}

/// Rows of the embedding, and cos and sin of the angles by which RoPE turns them; angles are made in double, because a float one
/// would be off by 1e-4 at position 2047.
void ForwardPass::embed() {
  const Team::Range mine = team_.share(count_);
  const std::vector<double>& frequencies = forward_.frequencies_;
  for (int64_t t = mine.begin; t < mine.end; ++t) {
    const auto row = static_cast<size_t>(t);
    read_row(model_.embedding, batch_.tokens[row], s_.residual.data() + t * config_.hidden);
    float *cos = s_.cos.data() + row * frequencies.size(), *sin = s_.sin.data() + row * frequencies.size();
    for (size_t i = 0; i < frequencies.size(); ++i) {
      cos[i] = static_cast<float>(std::cos(batch_.positions[row] * frequencies[i]));
      sin[i] = static_cast<float>(std::sin(batch_.positions[row] * frequencies[i]));
    }
  }
  team_.barrier();
}

/// The residual stream normed is what comes next.
void ForwardPass::make_normed(const std::vector<float>& weight) {
  rows_.make(s_.normed.data(), count_, config_.hidden, [&](int64_t t, float* row) {
    kernels_.rmsnorm(row, s_.residual.data() + t * config_.hidden, weight.data(), weight.size(), config_.norm_eps);
  });
}

/// Shows the observer what goes into `layers`.
void ForwardPass::show(std::initializer_list<const Linear*> layers) {
  if (!observer_) return;
  team_.barrier();
  if (team_.rank() == 0 && !s_.failure) try {
      for (const Linear* w : layers) observer_(*w, rows_.fp32(), rows_.count());
    } catch (...) {
      s_.failure = std::current_exception();
    }
  team_.barrier();
}

/// RoPE of pairs (i, i + E/2), as Hugging Face models have them (Su et al. 2021), of a key and of the queries that meet it, which
/// take 1/sqrt(E) along.
void ForwardPass::store_key_and_value(HeadCache& cache, int64_t t, int64_t kv_head) {
  const int64_t width = config_.head_dim(), half = width / 2, group = config_.heads / config_.kv_heads;
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)));
  const auto rope = [&](float* head, float factor) {
    kernels_.rope(head, s_.cos.data() + t * half, s_.sin.data() + t * half, static_cast<size_t>(half), factor);
  };
  const int64_t item = t * config_.kv_heads + kv_head;
  for (int64_t q = 0; q < group; ++q) rope(s_.queries.data() + (item * group + q) * width, scale);
  rope(s_.keys.data() + item * width, 1.0f);
  const auto row = static_cast<size_t>(t);
  cache.store(batch_.page_tables[batch_.sequences[row]], batch_.positions[row], kv_head, s_.keys.data() + item * width,
              s_.values.data() + item * width, s_.attention[static_cast<size_t>(team_.rank())].data());
}

void ForwardPass::attend(HeadCache& cache, const Run& block, int64_t head) {
  const int64_t width = config_.head_dim(), stride = config_.heads * width, at = block.row * stride + head * width;
  cache.attend(
      {s_.queries.data() + at, s_.attended.data() + at, stride, block.count, block.position, batch_.page_tables[block.sequence]},
      head / (config_.heads / config_.kv_heads), s_.attention[static_cast<size_t>(team_.rank())].data());
}

/// Causal attention of each query over its sequence; heads / kv_heads queries share a kv head.
void ForwardPass::attention(int64_t layer) {
  team_.barrier();
  HeadCache cache(forward_.memory_, config_, forward_.kv_type_, layer, kernels_);
  const auto blocks = static_cast<int64_t>(s_.blocks.size());
  // One row a sequence: whoever stores its key attends to it.
  const bool decode = batch_.page_tables.size() == batch_.tokens.size();
  const int64_t group = config_.heads / config_.kv_heads;
  const Team::Range mine = team_.share(count_ * config_.kv_heads);
  for (int64_t item = mine.begin; item < mine.end; ++item) {
    const int64_t t = item / config_.kv_heads, kv_head = item % config_.kv_heads;
    store_key_and_value(cache, t, kv_head);
    for (int64_t q = 0; decode && q < group; ++q) attend(cache, s_.blocks[static_cast<size_t>(t)], kv_head * group + q);
  }
  team_.barrier();
  if (decode) return;
  const int64_t items = config_.heads * blocks;
  team_.share_out(items, items / 0x8000 + 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) attend(cache, s_.blocks[static_cast<size_t>(item % blocks)], item / blocks);
  });
  team_.barrier();
}

/// residual += x wᵀ
void ForwardPass::add_to_residual(const Linear& w) {
  show({&w});
  products_.multiply_together(rows_, {{&w, s_.update.data()}}, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < count_; ++t)
      kernels_.add(s_.residual.data() + t * config_.hidden + begin, s_.update.data() + t * config_.hidden + begin,
                   static_cast<size_t>(end - begin));
  });
  team_.barrier();
}

/// gate = silu(x gateᵀ) * (x upᵀ)
void ForwardPass::swiglu(const Linear& gate, const Linear& up) {
  show({&gate, &up});
  products_.multiply_together(rows_, {{&gate, s_.gate.data()}, {&up, s_.up.data()}}, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < count_; ++t) {
      const int64_t at = t * config_.glu + begin;
      kernels_.silu_mul(s_.gate.data() + at, s_.gate.data() + at, s_.up.data() + at, static_cast<size_t>(end - begin));
    }
  });
  team_.barrier();
}

}  // namespace spectra::infer
