// SPDX-License-Identifier: Apache-2.0
#include "infer/engine.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"

namespace spectra::infer {
namespace {

uint64_t whole_context(const model::Config& config, KvType type) {
  return static_cast<uint64_t>(kv_pages(config.max_position) * kv_page_bytes(config, type));
}

}  // namespace

KvType default_kv_type(ActivationType activations) { return activations == ActivationType::kFp32 ? KvType::kFp32 : KvType::kFp16; }

Engine::Engine(std::shared_ptr<const Model> model, const EngineOptions& options)
    : model_(std::move(model)),
      activations_(options.activations),
      kernels_(options.kernels != nullptr ? *options.kernels : kernels::kernels()),
      kv_type_(options.kv_type.value_or(default_kv_type(activations_))),
      kv_(model_->config, kv_type_, options.kv_bytes > 0 ? options.kv_bytes : whole_context(model_->config, kv_type_)) {
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

Output Engine::forward(const Batch& batch) {
  check(batch);
  claim_pages();
  find_runs(batch);
  const int threads = compute_threads();
  int64_t longest = 0;
  for (const Span& span : spans_) longest = std::max(longest, span.end);
  state_.wanted = batch.logits_at;
  for (const Target& target : batch.targets) state_.wanted.push_back(target.row);
  std::sort(state_.wanted.begin(), state_.wanted.end());
  state_.wanted.erase(std::unique(state_.wanted.begin(), state_.wanted.end()), state_.wanted.end());
  state_.reserve(*model_, activations_, state_.count, longest, threads);

  Output output;
  output.logits.resize(batch.logits_at.size() * static_cast<size_t>(model_->config.vocab));
  output.scores.resize(batch.targets.size());
  run_team(threads, [&](Team& team) {
    ForwardPass(team, *model_, batch, state_, kv_, kv_type_, activations_, kernels_, observer_).run(output);
  });
  if (state_.failure) std::rethrow_exception(std::exchange(state_.failure, nullptr));
  return output;
}

/// Callers see to user input; a batch that breaks the contract is our bug.
void Engine::check(const Batch& batch) {
  const model::Config& c = model_->config;
  state_.count = static_cast<int64_t>(batch.tokens.size());
  SPECTRA_CHECK(state_.count > 0 && batch.positions.size() == batch.tokens.size() && batch.sequences.size() == batch.tokens.size());
  state_.sequences.clear();
  spans_.clear();
  for (size_t i = 0; i < batch.tokens.size(); ++i) {
    const int32_t token = batch.tokens[i], position = batch.positions[i];
    const auto found = sequences_.find(batch.sequences[i]);
    SPECTRA_CHECK(found != sequences_.end(), "sequence {}", batch.sequences[i]);
    SPECTRA_CHECK(token >= 0 && token < c.vocab, "token {} of {}", token, c.vocab);
    SPECTRA_CHECK(position >= 0 && position < c.max_position, "position {} of {}", position, c.max_position);
    KvSequence* const sequence = &found->second;
    state_.sequences.push_back(sequence);
    const auto span = std::find_if(spans_.rbegin(), spans_.rend(), [sequence](const Span& s) { return s.sequence == sequence; });
    if (span == spans_.rend()) {
      SPECTRA_CHECK(position <= sequence->length, "position {} after {}", position, sequence->length);
      spans_.push_back({sequence, position, position + 1});
    } else {
      SPECTRA_CHECK(position == span->end, "position {} after {}", position, span->end);
      ++span->end;
    }
  }
  for (const int32_t row : batch.logits_at) SPECTRA_CHECK(row >= 0 && row < state_.count, "row {} of {}", row, state_.count);
  for (const Target& target : batch.targets) {
    SPECTRA_CHECK(target.row >= 0 && target.row < state_.count, "row {} of {}", target.row, state_.count);
    SPECTRA_CHECK(target.token >= 0 && target.token < c.vocab, "token {} of {}", target.token, c.vocab);
  }
}

void Engine::claim_pages() {
  int64_t needed = 0;
  for (const Span& span : spans_) needed += kv_.pages_needed(*span.sequence, span.begin, span.end);
  if (needed > kv_.free_pages()) throw KvFull(needed, kv_.free_pages(), kv_.pages());
  for (const Span& span : spans_) kv_.claim(*span.sequence, span.begin, span.end);
}

/// Cuts the batch into runs for attention.
void Engine::find_runs(const Batch& batch) {
  state_.runs.clear();
  state_.one_each = static_cast<int64_t>(spans_.size()) == state_.count;
  for (int64_t t = 0; t < state_.count; ++t) {
    const KvSequence* sequence = state_.sequences[static_cast<size_t>(t)];
    const bool more = !state_.runs.empty() && state_.runs.back().sequence == sequence &&
                      state_.runs.back().count < QueryBlock::kMost;  // positions follow each other: see Batch
    if (more)
      ++state_.runs.back().count;
    else
      state_.runs.push_back({sequence, t, batch.positions[static_cast<size_t>(t)], 1});
  }
}

}  // namespace spectra::infer
