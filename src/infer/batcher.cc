// SPDX-License-Identifier: Apache-2.0
#include "infer/batcher.h"

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"
#include "base/team.h"
#include "infer/limits.h"

namespace spectra::infer {
namespace {

// Logits of prompt tokens wanted of one step: 64 x 50304 floats are 13 MB.
constexpr int64_t kScoredRows = 64;

}  // namespace

struct Batcher::Active {
  int64_t id;
  Request request;
  std::vector<int32_t> tokens;  // prompt, then what was generated
  int64_t prompt_size;
  int64_t longest;  // positions it can come to fill
  int32_t sequence = -1;
  int64_t computed = 0;                   // tokens the engine holds
  uint64_t prefix = PrefixIndex::kStart;  // entry of the last full page
  int64_t score_from;                     // the first prompt token to score
  std::vector<Token> scores;              // of prompt tokens from there on
  bool scored = false;                    // on_prompt was called, or nobody wants it
  bool done = false;

  // Of the step being made.
  int64_t count = 0;     // tokens in the batch
  size_t first_row = 0;  // of its rows_
  size_t first_target = 0;

  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
  /// Pages for its tokens so far and the next one.
  int64_t pages() const { return kv_pages(std::min(size() + 1, longest)); }
  int64_t pending() const { return size() - computed; }
  int64_t generated() const { return size() - prompt_size; }
  /// Positions below `end` whose logits score a prompt token that has no score yet: [first, last).
  int64_t first_scored() const { return std::max(computed, score_from - 1 + static_cast<int64_t>(scores.size())); }
  /// What others may have computed: not the last token, nor those before one to score, since their logits are wanted.
  std::span<const int32_t> reusable() const {
    const int64_t scored_end = scored ? size() : score_from - 1 + static_cast<int64_t>(scores.size());
    return std::span(tokens).first(static_cast<size_t>(std::min(size() - 1, scored_end)));
  }
  int64_t last_scored(int64_t end) const { return scored ? 0 : std::min(end, prompt_size - 1); }
};

Batcher::Batcher(Engine& engine, const Options& options) : engine_(engine), options_(options), prefixes_(engine.kv()) {
  SPECTRA_CHECK(options.max_running > 0 && options.batch_tokens >= options.max_running, "{} tokens, {} requests",
                options.batch_tokens, options.max_running);
  publish();
}

Batcher::~Batcher() {
  for (const auto& r : running_) engine_.close_sequence(r->sequence);
}

/// Returns the positions it may come to fill.
int64_t Batcher::check(const Request& request) const {
  const int64_t vocab = engine_.model().config.vocab;
  if (request.prompt.empty()) throw bad_input("the prompt has no tokens");
  for (const int32_t token : request.prompt)
    if (token < 0 || token >= vocab)
      throw bad_input(fmt::format("the prompt has token {} and the model's vocabulary {}", token, vocab));
  if (request.max_tokens < 0) throw bad_input(fmt::format("{} tokens to generate", request.max_tokens), "allowed: 0 or more");
  validate(request.sampling);
  return positions_needed(engine_, static_cast<int64_t>(request.prompt.size()), request.max_tokens);
}

int64_t Batcher::submit(Request request) {
  auto r = std::make_unique<Active>();
  r->longest = check(request);
  r->tokens = std::move(request.prompt);
  r->prompt_size = r->size();
  r->scored = request.score_from < 0;
  r->score_from = std::max<int64_t>(request.score_from, 1);
  r->request = std::move(request);
  r->request.sampling.penalize_from = r->prompt_size;
  const std::lock_guard lock(mutex_);
  r->id = next_id_++;
  submitted_.push_back(std::move(r));
  return next_id_ - 1;
}

void Batcher::cancel(int64_t id) {
  const std::lock_guard lock(mutex_);
  cancelled_.push_back(id);
}

Batcher::Stats Batcher::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats = stats_;
  stats.waiting += static_cast<int64_t>(submitted_.size());
  return stats;
}

void Batcher::publish() {
  totals_.running = static_cast<int64_t>(running_.size());
  totals_.waiting = static_cast<int64_t>(waiting_.size());
  totals_.pages = engine_.kv().pages();
  totals_.free_pages = engine_.kv().free_pages();
  const std::lock_guard lock(mutex_);
  stats_ = totals_;
}

/// Requests and cancellations that came since the last step.
void Batcher::take_orders() {
  std::vector<int64_t> cancelled;
  {
    const std::lock_guard lock(mutex_);
    for (auto& r : submitted_) waiting_.push_back(std::move(r));
    submitted_.clear();
    cancelled.swap(cancelled_);
  }
  for (Queue* queue : {&running_, &waiting_}) {
    for (const auto& r : *queue)
      if (std::find(cancelled.begin(), cancelled.end(), r->id) != cancelled.end()) finish(*r, FinishReason::kInterrupted);
    std::erase_if(*queue, [](const auto& r) { return r->done; });
  }
}

bool Batcher::step() {
  take_orders();
  plan();
  totals_.step_texts = std::count_if(running_.begin(), running_.end(), [](const auto& r) { return r->count > 0; });
  if (!batch_.tokens.empty()) {
    const Results& results = engine_.forward(batch_);
    totals_.computed_tokens += static_cast<int64_t>(batch_.tokens.size());
    evaluate(results);
    for (const auto& r : running_) {
      if (r->count == 0) continue;
      const int64_t from = r->computed;
      try {
        score_prompt(*r, results);
        r->computed += r->count;
        store_prefix(*r, from);
        if (r->pending() == 0) draw(*r);
      } catch (...) {
        finish(*r, FinishReason::kFailed, std::current_exception());
      }
    }
    std::erase_if(running_, [](const auto& r) { return r->done; });
  }
  publish();
  return !batch_.tokens.empty();
}

/// Fills batch_. Older requests come first, so that a younger one can still be preempted for them.
void Batcher::plan() {
  batch_ = {};
  rows_.clear();
  planned_pages_ = 0;
  scored_rows_ = 0;
  int64_t left = options_.batch_tokens;  // for prompts
  for (const auto& r : running_) {
    r->count = 0;
    left -= r->pending() == 1;
  }
  for (size_t i = 0; i < running_.size(); ++i) {
    const int64_t pending = running_[i]->pending(), count = pending == 1 ? 1 : piece(*running_[i], left);
    if (count == 0) continue;
    if (!make_room(i, count)) break;
    schedule(*running_[i], count);
    if (pending > 1) left -= count;
  }
  admit(left);
}

/// Tokens of `r` that fit in a step with room for `left` more.
int64_t Batcher::piece(const Active& r, int64_t left) const {
  int64_t count = std::min(r.pending(), left);
  if (!r.scored && r.request.logprobs > 0)
    count = std::min(count, std::max(r.first_scored() + kScoredRows - scored_rows_, r.computed) - r.computed);
  return count;
}

/// Preempts younger requests than running_[index], at last itself, until there are pages for its next `count` tokens. False where
/// it was preempted.
bool Batcher::make_room(size_t index, int64_t count) {
  const int64_t computed = running_[index]->computed, needed = kv_pages(computed + count) - kv_pages(computed);
  while (needed > engine_.kv().free_pages() - planned_pages_) {
    preempt_youngest();
    if (running_.size() == index) return false;
  }
  planned_pages_ += needed;
  return true;
}

void Batcher::preempt_youngest() {
  Active& r = *running_.back();
  engine_.close_sequence(r.sequence);
  r.sequence = -1;
  ++totals_.preempted;
  waiting_.push_front(std::move(running_.back()));
  running_.pop_back();
}

/// Takes waiting requests into the batch while there is room for `left` more tokens.
void Batcher::admit(int64_t left) {
  const KvPages& kv = engine_.kv();
  int64_t available = kv.free_pages();
  for (const auto& r : running_) available -= std::max<int64_t>(r->pages() - kv_pages(r->computed), 0);
  while (!waiting_.empty() && left > 0 && static_cast<int64_t>(running_.size()) < options_.max_running) {
    Active& r = *waiting_.front();
    const std::span<const int32_t> reusable = r.reusable();
    const PrefixIndex::Match match = prefixes_.find(reusable);
    if (about_to_fill(reusable, match.pages.size())) break;
    const int64_t shared = std::count_if(match.pages.begin(), match.pages.end(), [&](int32_t id) { return kv.owners(id) > 0; });
    if (r.pages() - shared > available) break;
    available -= r.pages() - shared;
    r.computed = static_cast<int64_t>(match.pages.size()) * kPagePositions;
    r.sequence = engine_.open_sequence(match.pages, r.computed);
    r.prefix = match.last;
    totals_.reused_tokens += r.computed;
    r.count = 0;
    if (r.request.on_start) r.request.on_start();
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    if (const int64_t count = piece(r, left); count > 0) {
      planned_pages_ += kv_pages(r.computed + count) - kv_pages(r.computed);
      schedule(r, count);
      left -= count;
    }
  }
}

/// Whether this step fills more pages than `found` with the beginning of `tokens`.
bool Batcher::about_to_fill(std::span<const int32_t> tokens, size_t found) const {
  return std::any_of(running_.begin(), running_.end(), [&](const auto& r) {
    const auto after = std::span<const int32_t>(r->tokens).first(static_cast<size_t>(r->computed + r->count));
    const auto common = std::mismatch(tokens.begin(), tokens.end(), after.begin(), after.end()).first - tokens.begin();
    return r->count > 0 && static_cast<size_t>(common / kPagePositions) > found;
  });
}

/// Adds the next `count` tokens of `r` to the batch.
void Batcher::schedule(Active& r, int64_t count) {
  r.count = count;
  const auto row = static_cast<int64_t>(batch_.tokens.size());
  for (int64_t i = r.computed; i < r.computed + count; ++i)
    batch_.add(r.tokens[static_cast<size_t>(i)], static_cast<int32_t>(i), r.sequence);
  r.first_row = batch_.logits_at.size();
  r.first_target = batch_.targets.size();
  for (int64_t i = r.first_scored(); i < r.last_scored(r.computed + count); ++i) {
    const auto at = static_cast<int32_t>(row + i - r.computed);
    const int32_t next = r.tokens[static_cast<size_t>(i) + 1];
    if (r.request.logprobs > 0) {
      batch_.logits_at.push_back(at);
      rows_.push_back({&r, next, {}, nullptr});
      ++scored_rows_;
    } else {
      batch_.targets.push_back({at, next});
    }
  }
  if (count < r.pending() || r.generated() >= r.request.max_tokens) return;
  batch_.logits_at.push_back(static_cast<int32_t>(row + count) - 1);
  rows_.push_back({&r, -1, {}, nullptr});
}

/// Makes the pages that were filled by tokens from `from` on findable.
void Batcher::store_prefix(Active& r, int64_t from) {
  const std::vector<int32_t>& pages = engine_.sequence(r.sequence).pages;
  for (int64_t page = from / kPagePositions; page < r.computed / kPagePositions; ++page)
    r.prefix = prefixes_.add(r.prefix,
                             std::span<const int32_t>(r.tokens).subspan(static_cast<size_t>(page * kPagePositions), kPagePositions),
                             pages[static_cast<size_t>(page)]);
}

/// Fills rows_, on all threads: a vocabulary is long, and callbacks need one thread.
void Batcher::evaluate(const Results& results) {
  while (static_cast<int>(samplers_.size()) < compute_threads()) samplers_.emplace_back(Sampling());
  run_team(rows_.size() > 1 ? compute_threads() : 1, [&](Team& team) {
    const auto thread = static_cast<size_t>(team.rank());
    for (size_t i = thread; i < rows_.size(); i += static_cast<size_t>(team.size()))
      evaluate(rows_[i], results.next(i), samplers_[thread]);
  });
}

/// `next`: what a row is made from.
void Batcher::evaluate(Row& row, NextToken next, Sampler& sampler) const try {
  const Active& r = *row.request;
  const size_t vocab = options_.vocab > 0 ? static_cast<size_t>(options_.vocab) : next.logits().size();
  Token& token = row.token;
  token.id = row.id;
  if (token.id < 0) {
    sampler.set(r.request.sampling);
    token.id = sampler.sample(next.logits().first(vocab), r.tokens, static_cast<uint64_t>(r.generated()));
    token.stop = std::find(r.request.stop_ids.begin(), r.request.stop_ids.end(), token.id) != r.request.stop_ids.end();
  }
  if (r.request.logprobs < 0) return;
  token.logprob = next.logprob(token.id);
  if (r.request.logprobs > 0) token.top = next.most_probable(r.request.logprobs, vocab);
} catch (...) {
  row.error = std::current_exception();
}

/// Reads what schedule() asked for of the prompt. first_row then is that of the last token.
void Batcher::score_prompt(Active& r, const Results& results) {
  for (int64_t i = r.first_scored(); i < r.last_scored(r.computed + r.count); ++i) {
    if (r.request.logprobs > 0) {
      Row& row = rows_[r.first_row++];
      if (row.error) std::rethrow_exception(row.error);
      r.scores.push_back(std::move(row.token));
    } else {
      r.scores.push_back({.id = r.tokens[static_cast<size_t>(i) + 1], .logprob = results.scores[r.first_target++].logprob});
    }
  }
  if (r.scored || r.score_from + static_cast<int64_t>(r.scores.size()) < r.prompt_size) return;
  r.scored = true;
  if (r.request.on_prompt) r.request.on_prompt(r.scores);
}

/// Takes the token that was drawn, all others being computed.
void Batcher::draw(Active& r) {
  if (r.generated() >= r.request.max_tokens) return finish(r, FinishReason::kLength);
  const Row& row = rows_[r.first_row];
  if (row.error) std::rethrow_exception(row.error);
  if (!row.token.stop) {
    r.tokens.push_back(row.token.id);
    ++totals_.generated_tokens;
  }
  const bool more = !r.request.on_token || r.request.on_token(row.token);
  if (row.token.stop || !more)
    finish(r, FinishReason::kStop);
  else if (r.generated() >= r.request.max_tokens || r.computed >= engine_.context())
    finish(r, FinishReason::kLength);
}

void Batcher::finish(Active& r, FinishReason reason, std::exception_ptr error) {
  r.done = true;
  if (r.sequence >= 0) engine_.close_sequence(r.sequence);
  r.sequence = -1;
  ++totals_.finished;
  if (r.request.on_finish) r.request.on_finish({reason, std::move(error)});
}

}  // namespace spectra::infer
