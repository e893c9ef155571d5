// SPDX-License-Identifier: Apache-2.0
#include "infer/cpu/forward_pass.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "infer/cpu/head_pass.h"

namespace spectra::infer {
namespace {

auto gate_kernel(const kernels::Kernels& k, model::Activation activation) {
  switch (activation) {
    case model::Activation::kSilu:
      return k.silu_mul;
    case model::Activation::kRelu2:
      return k.relu2_mul;
    case model::Activation::kGelu:
      return k.gelu_mul;
  }
  SPECTRA_CHECK(false, "activation {}", static_cast<int>(activation));
}

}  // namespace

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

/// Pre-norm decoder layer with a gated MLP (paper 1.2), and what a config may have beyond it.
void ForwardPass::layer(int64_t index) {
  const Layer& w = model_.layers[static_cast<size_t>(index)];

  multiply({s_.residual.data(), config_.hidden, w.input_norm},
           {{&w.q, s_.queries.data()}, {&w.k, s_.keys.data()}, {&w.v, s_.values.data()}});
  attention(index);
  add_to_residual({s_.attended.data(), config_.q_dim(), w.attention_sub_norm}, w.o);

  gated(w);
  add_to_residual({s_.gate.data(), config_.glu, w.mlp_sub_norm}, w.down);
}

/// Rows of the embedding, and cos and sin of the angles by which RoPE turns them; angles are made in double, because a float one
/// would be off by 1e-4 at position 2047.
void ForwardPass::embed() {
  const Team::Range mine = team_.share(count_);
  const std::vector<double>& frequencies = forward_.rope_.inverse;
  const double factor = forward_.rope_.attention_factor;
  for (int64_t t = mine.begin; t < mine.end; ++t) {
    const auto row = static_cast<size_t>(t);
    read_row(model_.embedding, batch_.tokens[row], s_.residual.data() + t * config_.hidden);
    float *cos = s_.cos.data() + row * frequencies.size(), *sin = s_.sin.data() + row * frequencies.size();
    for (size_t i = 0; i < frequencies.size(); ++i) {
      cos[i] = static_cast<float>(std::cos(batch_.positions[row] * frequencies[i]) * factor);
      sin[i] = static_cast<float>(std::sin(batch_.positions[row] * frequencies[i]) * factor);
    }
  }
  team_.barrier();
}

/// Rows of `input` as `w` takes them come next: through the input's norm and that right before w, where there are such.
void ForwardPass::make_rows(const LinearInput& input, const Linear& w) {
  const auto cols = static_cast<size_t>(input.cols);
  const bool linear_norm = config_.linear_norms != model::LinearNorms::kNone;
  if (input.norm.empty() && !linear_norm) return rows_.set(input.rows, count_, input.cols);
  rows_.make(s_.normed.data(), count_, input.cols, [&](int64_t t, float* row) {
    const float* x = input.rows + t * input.cols;
    if (!input.norm.empty()) {
      kernels_.rmsnorm(row, x, input.norm.data(), cols, config_.norm_eps);
      x = row;
    }
    if (linear_norm) kernels_.rmsnorm(row, x, own_norms() ? w.norm.data() : forward_.ones_.data(), cols, config_.norm_eps);
  });
}

/// Linear layers of one input have norms of their own, hence different rows.
bool ForwardPass::own_norms() const { return config_.linear_norms == model::LinearNorms::kWeighted; }

/// Shows the observer what the products take.
void ForwardPass::show(std::initializer_list<Product> products) {
  if (!observer_) return;
  team_.barrier();
  if (team_.rank() == 0 && !s_.failure) try {
      for (const Product& p : products) observer_(*p.w, rows_.fp32(), rows_.count());
    } catch (...) {
      s_.failure = std::current_exception();
    }
  team_.barrier();
}

/// See Products::multiply.
void ForwardPass::multiply(const LinearInput& input, std::initializer_list<Product> products) {
  if (own_norms() && products.size() > 1) {
    for (const Product& p : products) {
      multiply(input, {p});
      team_.barrier();
    }
    return;
  }
  make_rows(input, *products.begin()->w);
  show(products);
  products_.multiply(rows_, products);
}

/// See Products::multiply_together.
void ForwardPass::multiply_together(const LinearInput& input, std::initializer_list<Product> products, const Products::Done& done) {
  const Product& last = *(products.end() - 1);
  if (own_norms() && products.size() > 1) {
    for (const Product* p = products.begin(); p != &last; ++p) {
      multiply(input, {*p});
      team_.barrier();
    }
    return multiply_together(input, {last}, done);
  }
  make_rows(input, *last.w);
  show(products);
  products_.multiply_together(rows_, products, done);
}

/// Head number `head` of what w made of row t: its bias, its norm, and RoPE of pairs (i, i + E/2), as Hugging Face models have them
/// (Su et al. 2021). `scale` goes with RoPE.
void ForwardPass::prepare_head(float* x, int64_t t, int64_t head, const Linear& w, const std::vector<float>& norm, float scale) {
  const int64_t width = config_.head_dim(), half = width / 2;
  if (!w.bias.empty()) kernels_.add(x, w.bias.data() + head * width, static_cast<size_t>(width));
  if (!norm.empty()) kernels_.rmsnorm(x, x, norm.data(), norm.size(), config_.norm_eps);
  kernels_.rope(x, s_.cos.data() + t * half, s_.sin.data() + t * half, static_cast<size_t>(half), scale);
}

/// Of row t: a key, its value, and the queries that meet them, which take 1/sqrt(E) along.
void ForwardPass::store_key_and_value(const Layer& w, HeadCache& cache, int64_t t, int64_t kv_head) {
  const int64_t width = config_.head_dim(), group = config_.heads / config_.kv_heads, item = t * config_.kv_heads + kv_head;
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)));
  for (int64_t q = 0; q < group; ++q)
    prepare_head(s_.queries.data() + (item * group + q) * width, t, kv_head * group + q, w.q, w.q_head_norm, scale);
  float *key = s_.keys.data() + item * width, *value = s_.values.data() + item * width;
  prepare_head(key, t, kv_head, w.k, w.k_head_norm, 1.0f);
  if (!w.v.bias.empty()) kernels_.add(value, w.v.bias.data() + kv_head * width, static_cast<size_t>(width));
  const auto row = static_cast<size_t>(t);
  cache.store(batch_.page_tables[batch_.sequences[row]], batch_.positions[row], kv_head, key, value,
              s_.attention[static_cast<size_t>(team_.rank())].data());
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
    store_key_and_value(model_.layers[static_cast<size_t>(layer)], cache, t, kv_head);
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
void ForwardPass::add_to_residual(const LinearInput& input, const Linear& w) {
  multiply_together(input, {{&w, s_.update.data()}}, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < count_; ++t)
      kernels_.add(s_.residual.data() + t * config_.hidden + begin, s_.update.data() + t * config_.hidden + begin,
                   static_cast<size_t>(end - begin));
  });
  team_.barrier();
}

/// gate = activation(x gateᵀ) * (x upᵀ)
void ForwardPass::gated(const Layer& w) {
  const auto activate = gate_kernel(kernels_, config_.activation);
  multiply_together({s_.residual.data(), config_.hidden, w.post_attention_norm}, {{&w.gate, s_.gate.data()}, {&w.up, s_.up.data()}},
                    [&](int64_t begin, int64_t end) {
                      for (int64_t t = 0; t < count_; ++t) {
                        const int64_t at = t * config_.glu + begin;
                        activate(s_.gate.data() + at, s_.gate.data() + at, s_.up.data() + at, static_cast<size_t>(end - begin));
                      }
                    });
  team_.barrier();
}

}  // namespace spectra::infer
