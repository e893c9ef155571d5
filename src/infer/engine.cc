// SPDX-License-Identifier: Apache-2.0
#include "infer/engine.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "infer/cpu/forward.h"

namespace spectra::infer {

ActivationType default_activations(const Model& model) { return model.packed() ? ActivationType::kInt8 : ActivationType::kFp32; }

EngineOptions with_defaults(EngineOptions options, const Model& model) {
  if (!options.activations) options.activations = default_activations(model);
  if (!options.kv_type) options.kv_type = default_kv_type(*options.activations);
  return options;
}

Engine::Engine(std::shared_ptr<const Model> model, const EngineOptions& options)
    : model_(std::move(model)),
      activations_(options.activations.value_or(default_activations(*model_))),
      kv_type_(options.kv_type.value_or(default_kv_type(activations_))),
      forward_(std::make_unique<CpuForward>(model_, activations_, kv_type_, options.kv_bytes,
                                            options.kernels != nullptr ? *options.kernels : kernels::kernels())),
      kv_(forward_->pages()) {
  if (activations_ == ActivationType::kInt8 && !model_->packed())
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

const Results& Engine::forward(const Batch& batch) {
  check(batch);
  claim_pages();
  prepare(batch);
  forward_->run(prepared_, observer_, results_);
  return results_;
}

/// Callers see to user input; a batch that breaks the contract is our bug. Fills spans_ and each row's index among them.
void Engine::check(const Batch& batch) {
  const model::Config& c = model_->config;
  const auto count = static_cast<int64_t>(batch.tokens.size());
  SPECTRA_CHECK(count > 0 && batch.positions.size() == batch.tokens.size() && batch.sequences.size() == batch.tokens.size());
  prepared_.sequences.clear();
  spans_.clear();
  for (size_t i = 0; i < batch.tokens.size(); ++i) {
    const int32_t token = batch.tokens[i], position = batch.positions[i];
    const auto found = sequences_.find(batch.sequences[i]);
    SPECTRA_CHECK(found != sequences_.end(), "sequence {}", batch.sequences[i]);
    SPECTRA_CHECK(token >= 0 && token < c.vocab, "token {} of {}", token, c.vocab);
    SPECTRA_CHECK(position >= 0 && position < c.max_position, "position {} of {}", position, c.max_position);
    KvSequence* const sequence = &found->second;
    auto span = std::find_if(spans_.rbegin(), spans_.rend(), [sequence](const Span& s) { return s.sequence == sequence; });
    if (span == spans_.rend()) {
      SPECTRA_CHECK(position <= sequence->length, "position {} after {}", position, sequence->length);
      spans_.push_back({sequence, position, position + 1});
      span = spans_.rbegin();
    } else {
      SPECTRA_CHECK(position == span->end, "position {} after {}", position, span->end);
      ++span->end;
    }
    prepared_.sequences.push_back(static_cast<size_t>(spans_.rend() - span) - 1);
  }
  for (const int32_t row : batch.logits_at) SPECTRA_CHECK(row >= 0 && row < count, "row {} of {}", row, count);
  for (const Target& target : batch.targets) {
    SPECTRA_CHECK(target.row >= 0 && target.row < count, "row {} of {}", target.row, count);
    SPECTRA_CHECK(target.token >= 0 && target.token < c.vocab, "token {} of {}", target.token, c.vocab);
  }
}

void Engine::claim_pages() {
  int64_t needed = 0;
  for (const Span& span : spans_) needed += kv_.pages_needed(*span.sequence, span.begin, span.end);
  if (needed > kv_.free_pages()) throw KvFull(needed, kv_.free_pages(), kv_.pages());
  prepared_.copies.clear();
  prepared_.page_tables.clear();
  prepared_.longest = 0;
  for (const Span& span : spans_) {
    if (const auto copy = kv_.claim(*span.sequence, span.begin, span.end)) prepared_.copies.push_back(*copy);
    prepared_.page_tables.push_back(span.sequence->pages);
    prepared_.longest = std::max(prepared_.longest, span.end);
  }
}

void Engine::prepare(const Batch& batch) {
  PreparedBatch& p = prepared_;
  p.tokens = batch.tokens;
  p.positions = batch.positions;
  p.logits_at = batch.logits_at;
  p.targets = batch.targets;
  p.wanted = batch.logits_at;
  for (const Target& target : batch.targets) p.wanted.push_back(target.row);
  std::sort(p.wanted.begin(), p.wanted.end());
  p.wanted.erase(std::unique(p.wanted.begin(), p.wanted.end()), p.wanted.end());
  p.runs.clear();
  for (size_t t = 0; t < p.tokens.size(); ++t) {
    const size_t sequence = p.sequences[t];
    if (!p.runs.empty() && p.runs.back().sequence == sequence)  // positions follow each other: see Batch
      ++p.runs.back().count;
    else
      p.runs.push_back({sequence, static_cast<int64_t>(t), p.positions[t], 1});
  }
}

}  // namespace spectra::infer
