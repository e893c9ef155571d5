// SPDX-License-Identifier: Apache-2.0
#include "infer/engine.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace spectra::infer {
namespace {

// Rows of logits held at once: 64 x 50304 floats are 13 MB, and the head is read once for 64 rows.
constexpr size_t kHeadRows = 64;

void resize(std::vector<float>& x, int64_t rows, int64_t cols) { x.resize(static_cast<size_t>(rows * cols)); }

uint64_t whole_context(const model::Config& config, KvType type) {
  return static_cast<uint64_t>(kv_pages(config.max_position) * kv_page_bytes(config, type));
}

/// Keys (64, E) of one kv head in an fp32 page.
float* page_keys(std::byte* page, const model::Config& c, int64_t layer, int64_t kv_head) {
  return reinterpret_cast<float*>(page) + (layer * c.kv_heads + kv_head) * 2 * kPagePositions * c.head_dim();
}
float* page_values(std::byte* page, const model::Config& c, int64_t layer, int64_t kv_head) {
  return page_keys(page, c, layer, kv_head) + kPagePositions * c.head_dim();
}

}  // namespace

Engine::Engine(std::shared_ptr<const Model> model, const EngineOptions& options)
    : model_(std::move(model)),
      activations_(options.activations),
      kernels_(options.kernels != nullptr ? *options.kernels : kernels::kernels()),
      kv_(model_->config, options.kv_type,
          options.kv_bytes > 0 ? options.kv_bytes : whole_context(model_->config, options.kv_type)) {
  if (activations_ == Activations::kInt8 && !model_->packed())
    throw bad_input(fmt::format("{}: int8 activations need packed weights, and this model is not packed", model_->path.string()),
                    "pack it with `spectra pack`, or use --activations fp32");
}

int32_t Engine::open_sequence() {
  sequences_.emplace(next_sequence_, KvSequence{});
  return next_sequence_++;
}

int32_t Engine::open_sequence(int32_t prefix_of, int64_t length) {
  const KvSequence& other = sequence(prefix_of);
  SPECTRA_CHECK(length >= 0 && length <= other.length, "{} of {} positions", length, other.length);
  return open_sequence(std::span(other.pages).first(static_cast<size_t>(kv_pages(length))), length);
}

int32_t Engine::open_sequence(std::span<const int32_t> pages, int64_t length) {
  sequences_.emplace(next_sequence_, kv_.share(pages, length));
  return next_sequence_++;
}

void Engine::close_sequence(int32_t id) {
  const auto sequence = sequences_.find(id);
  SPECTRA_CHECK(sequence != sequences_.end(), "sequence {}", id);
  kv_.clear(sequence->second);
  sequences_.erase(sequence);
}

Output Engine::forward(const Batch& batch) {
  check(batch);
  claim_pages();
  embed(batch);
  compute_angles(batch);
  for (int64_t i = 0; i < model_->config.layers; ++i) transformer_layer(i, batch);
  return head(batch);
}

/// Pre-norm decoder layer with SwiGLU (paper 1.2).
void Engine::transformer_layer(int64_t index, const Batch& batch) {
  const Layer& w = model_->layers[static_cast<size_t>(index)];
  const model::Config& c = model_->config;

  rmsnorm(normed_, residual_, w.input_norm);
  input(normed_, c.hidden);
  apply(queries_, w.q);
  apply(keys_, w.k);
  apply(values_, w.v);
  rope(queries_, c.heads);
  rope(keys_, c.kv_heads);
  store(index, batch);
  attention(index, batch);
  input(attended_, c.hidden);
  apply(update_, w.o);
  add_residual();

  rmsnorm(normed_, residual_, w.post_attention_norm);
  input(normed_, c.hidden);
  apply(gate_, w.gate);
  apply(up_, w.up);
  swiglu();
  input(hidden_, c.glu);
  apply(update_, w.down);
  add_residual();
}

/// Callers see to user input; a batch that breaks the contract is our bug.
void Engine::check(const Batch& batch) {
  const model::Config& c = model_->config;
  count_ = static_cast<int64_t>(batch.tokens.size());
  SPECTRA_CHECK(count_ > 0 && batch.positions.size() == batch.tokens.size() && batch.sequences.size() == batch.tokens.size());
  row_sequences_.clear();
  spans_.clear();
  for (size_t i = 0; i < batch.tokens.size(); ++i) {
    const int32_t token = batch.tokens[i], position = batch.positions[i];
    const auto found = sequences_.find(batch.sequences[i]);
    SPECTRA_CHECK(found != sequences_.end(), "sequence {}", batch.sequences[i]);
    SPECTRA_CHECK(token >= 0 && token < c.vocab, "token {} of {}", token, c.vocab);
    SPECTRA_CHECK(position >= 0 && position < c.max_position, "position {} of {}", position, c.max_position);
    KvSequence* const sequence = &found->second;
    row_sequences_.push_back(sequence);
    const auto span = std::find_if(spans_.rbegin(), spans_.rend(), [sequence](const Span& s) { return s.sequence == sequence; });
    if (span == spans_.rend()) {
      SPECTRA_CHECK(position <= sequence->length, "position {} after {}", position, sequence->length);
      spans_.push_back({sequence, position, position + 1});
    } else {
      SPECTRA_CHECK(position == span->end, "position {} after {}", position, span->end);
      ++span->end;
    }
  }
  for (const int32_t row : batch.logits_at) SPECTRA_CHECK(row >= 0 && row < count_, "row {} of {}", row, count_);
  for (const Target& target : batch.targets) {
    SPECTRA_CHECK(target.row >= 0 && target.row < count_, "row {} of {}", target.row, count_);
    SPECTRA_CHECK(target.token >= 0 && target.token < c.vocab, "token {} of {}", target.token, c.vocab);
  }
}

void Engine::claim_pages() {
  int64_t needed = 0;
  for (const Span& span : spans_) needed += kv_.pages_needed(*span.sequence, span.begin, span.end);
  if (needed > kv_.free_pages()) throw KvFull(needed, kv_.free_pages(), kv_.pages());
  for (const Span& span : spans_) kv_.claim(*span.sequence, span.begin, span.end);
}

void Engine::embed(const Batch& batch) {
  const int64_t hidden = model_->config.hidden;
  resize(residual_, count_, hidden);
  for (int64_t t = 0; t < count_; ++t)
    read_row(model_->embedding, batch.tokens[static_cast<size_t>(t)], residual_.data() + t * hidden);
}

/// cos and sin of position * theta^(-2i/E), the angle in double: at position 2047 a float angle would be off by 1e-4.
void Engine::compute_angles(const Batch& batch) {
  const model::Config& c = model_->config;
  const int64_t half = c.head_dim() / 2;
  resize(cos_, count_, half);
  resize(sin_, count_, half);
  for (int64_t i = 0; i < half; ++i) {
    const double frequency =
        std::pow(static_cast<double>(c.rope_theta), -2.0 * static_cast<double>(i) / static_cast<double>(c.head_dim()));
    for (int64_t t = 0; t < count_; ++t) {
      const double angle = batch.positions[static_cast<size_t>(t)] * frequency;
      cos_[static_cast<size_t>(t * half + i)] = static_cast<float>(std::cos(angle));
      sin_[static_cast<size_t>(t * half + i)] = static_cast<float>(std::sin(angle));
    }
  }
}

void Engine::rmsnorm(std::vector<float>& y, const std::vector<float>& x, const std::vector<float>& weight) {
  const auto cols = static_cast<int64_t>(weight.size());
  const int64_t rows = static_cast<int64_t>(x.size()) / cols;
  resize(y, rows, cols);
#pragma omp parallel for schedule(static) if (rows * cols > kParallelWork)
  for (int64_t t = 0; t < rows; ++t)
    kernels_.rmsnorm(y.data() + t * cols, x.data() + t * cols, weight.data(), weight.size(), model_->config.norm_eps);
}

/// Makes x (N, cols) what the next apply() calls multiply with.
void Engine::input(const std::vector<float>& x, int64_t cols) { rows_.set(activations_, x.data(), count_, cols, kernels_); }

void Engine::apply(std::vector<float>& y, const Linear& w) {
  if (observer_) observer_(w, rows_.fp32, rows_.count);
  resize(y, rows_.count, w.rows);
  linear(y.data(), w, rows_, kernels_);
}

/// Rotates pairs (i, i + E/2) of every head of x (N, heads E), as Hugging Face models have them (Su et al. 2021).
void Engine::rope(std::vector<float>& x, int64_t heads) const {
  const int64_t width = model_->config.head_dim(), half = width / 2;
#pragma omp parallel for schedule(static) if (count_ * heads * width > kParallelWork)
  for (int64_t t = 0; t < count_; ++t) {
    const float *cos = cos_.data() + t * half, *sin = sin_.data() + t * half;
    for (int64_t h = 0; h < heads; ++h) {
      float* head = x.data() + (t * heads + h) * width;
      for (int64_t i = 0; i < half; ++i) {
        const float a = head[i], b = head[i + half];
        head[i] = a * cos[i] - b * sin[i];
        head[i + half] = b * cos[i] + a * sin[i];
      }
    }
  }
}

void Engine::store(int64_t layer, const Batch& batch) {
  const model::Config& c = model_->config;
  const int64_t width = c.head_dim();
  for (int64_t t = 0; t < count_; ++t) {
    const int64_t position = batch.positions[static_cast<size_t>(t)], at = position % kPagePositions * width;
    std::byte* page = kv_.page(row_sequences_[static_cast<size_t>(t)]->pages[static_cast<size_t>(position / kPagePositions)]);
    for (int64_t h = 0; h < c.kv_heads; ++h) {
      const int64_t from = (t * c.kv_heads + h) * width;
      std::memcpy(page_keys(page, c, layer, h) + at, keys_.data() + from, static_cast<size_t>(width) * sizeof(float));
      std::memcpy(page_values(page, c, layer, h) + at, values_.data() + from, static_cast<size_t>(width) * sizeof(float));
    }
  }
}

/// Causal attention of each query over its sequence, scale 1/sqrt(E); heads / kv_heads queries share a kv head.
void Engine::attention(int64_t layer, const Batch& batch) {
  const model::Config& c = model_->config;
  const int64_t width = c.head_dim(), group = c.heads / c.kv_heads;
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)));
  const int32_t last = *std::max_element(batch.positions.begin(), batch.positions.end());
  resize(attended_, count_, c.heads * width);
#pragma omp parallel if (count_ * (last + 1) * c.hidden > kParallelWork)
  {
    std::vector<float> scores(static_cast<size_t>(last) + 1);
#pragma omp for schedule(dynamic, 1)
    for (int64_t item = 0; item < count_ * c.heads; ++item) {
      const int64_t t = item / c.heads, kv_head = item % c.heads / group;
      const std::vector<int32_t>& pages = row_sequences_[static_cast<size_t>(t)]->pages;
      const float* query = queries_.data() + item * width;
      const int64_t length = batch.positions[static_cast<size_t>(t)] + 1;
      for (int64_t begin = 0; begin < length; begin += kPagePositions) {
        const float* keys = page_keys(kv_.page(pages[static_cast<size_t>(begin / kPagePositions)]), c, layer, kv_head);
        kernels_.matvec_f32(scores.data() + begin, query, keys, static_cast<size_t>(width),
                            static_cast<size_t>(std::min(length - begin, kPagePositions)), static_cast<size_t>(width));
      }
      for (int64_t j = 0; j < length; ++j) scores[static_cast<size_t>(j)] *= scale;
      kernels_.softmax(scores.data(), static_cast<size_t>(length));
      float* out = attended_.data() + item * width;
      std::fill(out, out + width, 0.0f);
      for (int64_t j = 0; j < length; ++j) {
        const float* values = page_values(kv_.page(pages[static_cast<size_t>(j / kPagePositions)]), c, layer, kv_head);
        kernels_.axpy(out, scores[static_cast<size_t>(j)], values + j % kPagePositions * width, static_cast<size_t>(width));
      }
    }
  }
}

void Engine::swiglu() {
  const int64_t glu = model_->config.glu;
  resize(hidden_, count_, glu);
#pragma omp parallel for schedule(static) if (count_ * glu > kParallelWork)
  for (int64_t t = 0; t < count_; ++t)
    kernels_.silu_mul(hidden_.data() + t * glu, gate_.data() + t * glu, up_.data() + t * glu, static_cast<size_t>(glu));
}

void Engine::add_residual() {
  for (size_t i = 0; i < residual_.size(); ++i) residual_[i] += update_[i];
}

/// Final norm and head, always with fp32 activations, for the rows somebody asked for.
Output Engine::head(const Batch& batch) {
  Output output;
  output.logits.resize(batch.logits_at.size() * static_cast<size_t>(model_->config.vocab));
  output.scores.resize(batch.targets.size());
  std::vector<int32_t> wanted = batch.logits_at;
  for (const Target& target : batch.targets) wanted.push_back(target.row);
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  for (size_t begin = 0; begin < wanted.size(); begin += kHeadRows) {
    const auto from = wanted.begin() + static_cast<ptrdiff_t>(begin);
    head_rows(batch, {from, from + static_cast<ptrdiff_t>(std::min(kHeadRows, wanted.size() - begin))}, output);
  }
  return output;
}

/// `rows`: ascending, at most kHeadRows of the batch.
void Engine::head_rows(const Batch& batch, const std::vector<int32_t>& rows, Output& output) {
  const auto hidden = static_cast<size_t>(model_->config.hidden), vocab = static_cast<size_t>(model_->config.vocab);
  const auto count = static_cast<int64_t>(rows.size());
  update_.resize(rows.size() * hidden);
  for (size_t i = 0; i < rows.size(); ++i)
    std::copy_n(residual_.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(rows[i]) * hidden), hidden,
                update_.begin() + static_cast<ptrdiff_t>(i * hidden));
  rmsnorm(normed_, update_, model_->final_norm);
  rows_.set(Activations::kFp32, normed_.data(), count, model_->config.hidden, kernels_);
  logits_.resize(rows.size() * vocab);
  linear(logits_.data(), model_->head, rows_, kernels_);

  std::vector<float> log_sum(batch.targets.empty() ? 0 : rows.size());
#pragma omp parallel for schedule(static) if (log_sum.size() > 1)
  for (size_t i = 0; i < log_sum.size(); ++i) log_sum[i] = kernels_.log_sum_exp(logits_.data() + i * vocab, vocab);

  const auto index = [&rows](int32_t row) {  // rows.size() where the row is in another chunk
    const auto found = std::lower_bound(rows.begin(), rows.end(), row);
    return found != rows.end() && *found == row ? static_cast<size_t>(found - rows.begin()) : rows.size();
  };
  for (size_t i = 0; i < batch.logits_at.size(); ++i)
    if (const size_t at = index(batch.logits_at[i]); at < rows.size())
      std::copy_n(logits_.data() + at * vocab, vocab, output.logits.data() + i * vocab);
  for (size_t i = 0; i < batch.targets.size(); ++i)
    if (const size_t at = index(batch.targets[i].row); at < rows.size()) {
      const float* logits = logits_.data() + at * vocab;
      const int32_t token = batch.targets[i].token;
      output.scores[i] = {logits[token] - log_sum[at], std::max_element(logits, logits + vocab) == logits + token};
    }
}

}  // namespace spectra::infer
