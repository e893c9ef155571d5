// SPDX-License-Identifier: Apache-2.0
#include "infer/forward.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace spectra::infer {
namespace {

// Rows of logits held at once: 64 x 50304 floats are 13 MB, and the head is read once for 64 rows.
constexpr size_t kHeadRows = 64;

void grow(std::vector<float>& x, int64_t rows, int64_t cols) {
  if (x.size() < static_cast<size_t>(rows * cols)) x.resize(static_cast<size_t>(rows * cols));
}

/// cos and sin of position * theta^(-2i/E), the angle in double: at position 2047 a float angle would be off by 1e-4.
void compute_angles(const model::Config& c, int32_t position, float* cos, float* sin) {
  for (int64_t i = 0; i < c.head_dim() / 2; ++i) {
    const double frequency =
        std::pow(static_cast<double>(c.rope_theta), -2.0 * static_cast<double>(i) / static_cast<double>(c.head_dim()));
    cos[i] = static_cast<float>(std::cos(position * frequency));
    sin[i] = static_cast<float>(std::sin(position * frequency));
  }
}

}  // namespace

void ForwardState::reserve(const Model& model, ActivationType activations, int64_t tokens, int64_t longest, int threads) {
  const model::Config& c = model.config;
  const int64_t n = std::max({tokens, static_cast<int64_t>(std::min(wanted.size(), kHeadRows)), int64_t{threads}});
  grow(cos, n, c.head_dim() / 2);
  grow(sin, n, c.head_dim() / 2);
  for (auto* x : {&residual, &normed, &queries, &attended, &update}) grow(*x, n, c.hidden);
  for (auto* x : {&keys, &values}) grow(*x, n, c.kv_dim());
  for (auto* x : {&gate, &up}) grow(*x, n, c.glu);
  grow(logits, static_cast<int64_t>(std::min(wanted.size(), kHeadRows)), c.vocab);
  log_sums.resize(kHeadRows);
  scratch.resize(static_cast<size_t>(threads));
  for (auto& one : scratch) grow(one, HeadCache::scratch(c, longest), 1);
  linear.reserve(model, activations, n, threads);
}

ForwardPass::ForwardPass(Team& team, const Model& model, const Batch& batch, ForwardState& state, KvStore& kv, KvType kv_type,
                         ActivationType activations, const kernels::Kernels& kernels, const Observer& observer)
    : team_(team),
      model_(model),
      config_(model.config),
      batch_(batch),
      s_(state),
      kv_(kv),
      kv_type_(kv_type),
      kernels_(kernels),
      observer_(observer),
      rows_(team, state.linear, activations, kernels) {}

void ForwardPass::run(Output& output) {
  embed();
  for (int64_t i = 0; i < config_.layers; ++i) layer(i);
  head(output);
}

/// Pre-norm decoder layer with SwiGLU (paper 1.2).
void ForwardPass::layer(int64_t index) {
  const Layer& w = model_.layers[static_cast<size_t>(index)];

  rows_.set(rmsnorm(s_.residual, w.input_norm, s_.count), s_.count, config_.hidden);
  show({&w.q, &w.k, &w.v});
  rows_.multiply({{&w.q, s_.queries.data()}, {&w.k, s_.keys.data()}, {&w.v, s_.values.data()}});
  attention(index);
  rows_.set(s_.attended.data(), s_.count, config_.hidden);
  add_to_residual(w.o);

  rows_.set(rmsnorm(s_.residual, w.post_attention_norm, s_.count), s_.count, config_.hidden);
  swiglu(w.gate, w.up);
  rows_.set(s_.gate.data(), s_.count, config_.glu);
  add_to_residual(w.down);
}

void ForwardPass::embed() {
  const Team::Range mine = team_.share(s_.count);
  const int64_t half = config_.head_dim() / 2;
  for (int64_t t = mine.begin; t < mine.end; ++t) {
    read_row(model_.embedding, batch_.tokens[static_cast<size_t>(t)], s_.residual.data() + t * config_.hidden);
    compute_angles(config_, batch_.positions[static_cast<size_t>(t)], s_.cos.data() + t * half, s_.sin.data() + t * half);
  }
  team_.barrier();
}

/// RMSNorm of x (rows, D). Each thread leaves those rows that it will round; a single row each makes for itself.
const float* ForwardPass::rmsnorm(const std::vector<float>& x, const std::vector<float>& weight, int64_t rows) {
  const auto cols = static_cast<int64_t>(weight.size());
  if (rows == 1) {
    float* mine = s_.normed.data() + team_.rank() * cols;
    kernels_.rmsnorm(mine, x.data(), weight.data(), weight.size(), config_.norm_eps);
    return mine;
  }
  const Team::Range mine = team_.share(rows);
  for (int64_t t = mine.begin; t < mine.end; ++t)
    kernels_.rmsnorm(s_.normed.data() + t * cols, x.data() + t * cols, weight.data(), weight.size(), config_.norm_eps);
  return s_.normed.data();
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
  cache.store(s_.sequences[static_cast<size_t>(t)]->pages, batch_.positions[static_cast<size_t>(t)], kv_head,
              s_.keys.data() + item * width, s_.values.data() + item * width, s_.scratch[static_cast<size_t>(team_.rank())].data());
}

void ForwardPass::attend(HeadCache& cache, const Run& run, int64_t head) {
  const int64_t width = config_.head_dim(), stride = config_.heads * width, at = run.row * stride + head * width;
  cache.attend({s_.queries.data() + at, s_.attended.data() + at, stride, run.count, run.position, &run.sequence->pages},
               head / (config_.heads / config_.kv_heads), s_.scratch[static_cast<size_t>(team_.rank())].data());
}

/// Causal attention of each query over its sequence; heads / kv_heads queries share a kv head.
void ForwardPass::attention(int64_t layer) {
  team_.barrier();
  HeadCache cache(kv_, config_, kv_type_, layer, kernels_);
  const auto runs = static_cast<int64_t>(s_.runs.size());
  const bool decode = s_.one_each;  // whoever stores a sequence's only key attends to it
  const int64_t group = config_.heads / config_.kv_heads;
  const Team::Range mine = team_.share(s_.count * config_.kv_heads);
  for (int64_t item = mine.begin; item < mine.end; ++item) {
    const int64_t t = item / config_.kv_heads, kv_head = item % config_.kv_heads;
    store_key_and_value(cache, t, kv_head);
    for (int64_t q = 0; decode && q < group; ++q) attend(cache, s_.runs[static_cast<size_t>(t)], kv_head * group + q);
  }
  team_.barrier();
  if (decode) return;
  const int64_t items = config_.heads * runs;
  team_.share_out(items, items / 0x8000 + 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) attend(cache, s_.runs[static_cast<size_t>(item % runs)], item / runs);
  });
  team_.barrier();
}

/// residual += x wᵀ
void ForwardPass::add_to_residual(const Linear& w) {
  show({&w});
  rows_.multiply_together({{&w, s_.update.data()}}, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < s_.count; ++t)
      kernels_.add(s_.residual.data() + t * config_.hidden + begin, s_.update.data() + t * config_.hidden + begin,
                   static_cast<size_t>(end - begin));
  });
  team_.barrier();
}

/// gate = silu(x gateᵀ) * (x upᵀ)
void ForwardPass::swiglu(const Linear& gate, const Linear& up) {
  show({&gate, &up});
  rows_.multiply_together({{&gate, s_.gate.data()}, {&up, s_.up.data()}}, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < s_.count; ++t) {
      const int64_t at = t * config_.glu + begin;
      kernels_.silu_mul(s_.gate.data() + at, s_.gate.data() + at, s_.up.data() + at, static_cast<size_t>(end - begin));
    }
  });
  team_.barrier();
}

/// Final norm and head, with fp32 activations (int8 where the head is int8, whatever the other layers take), for the rows somebody
/// asked for.
void ForwardPass::head(Output& output) {
  for (size_t begin = 0; begin < s_.wanted.size(); begin += kHeadRows)
    head_rows(begin, std::min(begin + kHeadRows, s_.wanted.size()), output);
}

void ForwardPass::head_rows(size_t begin, size_t end, Output& output) {
  const auto rows = static_cast<int64_t>(end - begin);
  const Team::Range mine = team_.share(rows);
  for (int64_t i = mine.begin; i < mine.end; ++i)
    std::copy_n(s_.residual.data() + s_.wanted[begin + static_cast<size_t>(i)] * config_.hidden, config_.hidden,
                s_.update.data() + i * config_.hidden);
  if (rows == 1) team_.barrier();
  rows_.set(rmsnorm(s_.update, model_.final_norm, rows), rows, config_.hidden,
            model_.head.packed() ? ActivationType::kInt8 : ActivationType::kFp32);
  rows_.multiply({{&model_.head, s_.logits.data()}});
  team_.barrier();
  if (!batch_.targets.empty())
    for (int64_t i = mine.begin; i < mine.end; ++i)
      s_.log_sums[static_cast<size_t>(i)] =
          kernels_.log_sum_exp(s_.logits.data() + i * config_.vocab, static_cast<size_t>(config_.vocab));
  team_.barrier();
  report(begin, end, output);
  team_.barrier();
}

/// Copies out what was asked of wanted rows [begin, end).
void ForwardPass::report(size_t begin, size_t end, Output& output) {
  const auto vocab = static_cast<size_t>(config_.vocab);
  const auto first = s_.wanted.begin() + static_cast<ptrdiff_t>(begin), last = s_.wanted.begin() + static_cast<ptrdiff_t>(end);
  const auto logits_of = [&](int32_t row) -> const float* {  // null where the row is in another chunk
    const auto found = std::lower_bound(first, last, row);
    return found != last && *found == row ? s_.logits.data() + static_cast<size_t>(found - first) * vocab : nullptr;
  };
  const Team::Range mine = team_.share(static_cast<int64_t>(batch_.logits_at.size()));
  for (int64_t i = mine.begin; i < mine.end; ++i)
    if (const float* logits = logits_of(batch_.logits_at[static_cast<size_t>(i)]))
      std::copy_n(logits, vocab, output.logits.data() + i * config_.vocab);
  const Team::Range scored = team_.share(static_cast<int64_t>(batch_.targets.size()));
  for (int64_t i = scored.begin; i < scored.end; ++i) {
    const Target& target = batch_.targets[static_cast<size_t>(i)];
    if (const float* logits = logits_of(target.row)) {
      const auto at = static_cast<size_t>(logits - s_.logits.data()) / vocab;
      output.scores[static_cast<size_t>(i)] = {logits[target.token] - s_.log_sums[at],
                                               std::max_element(logits, logits + vocab) == logits + target.token};
    }
  }
}

}  // namespace spectra::infer
