// SPDX-License-Identifier: Apache-2.0
#pragma once
// Many requests through one engine, a forward pass at a time (continuous batching: Yu et al. 2022, "Orca"; paged memory and
// preemption: Kwon et al. 2023, "vLLM"). What a request gets is the same as if it ran alone, whatever else runs, in any order.
//
// - A step has one token of every running request that generates, and pieces of prompts in what is left of the token budget.
// - Requests are admitted in the order they came, once there are pages for all their tokens so far and one more.
// - Where pages run out later, the youngest request is preempted: it loses its pages, goes back to the head of the queue, and
//   its tokens are computed anew. The oldest one therefore always goes on, and every request ends.
// - Full pages stay findable after their request ended, until the memory is needed; a prompt that begins alike takes them over. It
//   waits a step where a running request is about to fill such a page.
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "infer/engine.h"
#include "infer/finish.h"
#include "infer/prefix_index.h"
#include "infer/results.h"
#include "infer/sampler.h"

namespace spectra::infer {

struct Token {
  int32_t id = 0;
  float logprob = 0;               ///< ln p under the model, before any filter; 0 unless asked for
  std::vector<TopToken> top = {};  ///< the most probable ones, as many as asked for; among equals the smaller id first
  bool stop = false;               ///< one of stop_ids: no part of the text
  bool operator==(const Token&) const = default;
};

struct Finished {
  FinishReason reason;
  std::exception_ptr error;  ///< set for kFailed: what the sampler or a callback threw
};

/// Callbacks run on the thread that calls step(), and may submit and cancel.
struct Request {
  std::vector<int32_t> prompt = {};  ///< at least one token
  int64_t max_tokens = 16;           ///< 0 = only the prompt
  Sampling sampling = {};
  std::vector<int32_t> stop_ids = {};  ///< tokens that end the text
  int64_t logprobs = -1;               ///< this many most probable tokens beside each one; 0 = only its own logprob, -1 = none
  /// Tokens of the prompt from this one on get logprobs too (the first never does); -1 = none. Only what is before them can be
  /// taken over from other requests.
  int64_t score_from = -1;
  /// Called when it leaves the queue; again where it was preempted.
  std::function<void()> on_start = nullptr;
  /// Those tokens; once, before the first one is drawn.
  std::function<void(const std::vector<Token>&)> on_prompt = nullptr;
  /// Every token that was drawn. Returning false ends the text here, as a stop string does.
  std::function<bool(const Token&)> on_token = nullptr;
  std::function<void(const Finished&)> on_finish = nullptr;  ///< last, always, and must not throw
};

class Batcher {
 public:
  struct Options {
    int64_t batch_tokens = Engine::kBatchTokens;  ///< of a step, at least max_running
    int64_t max_running = 64;                     ///< requests at a time
    int64_t vocab = 0;                            ///< only tokens below are drawn; 0 = all rows of the head
  };
  struct Stats {
    int64_t running = 0, waiting = 0;     ///< requests now
    int64_t pages = 0, free_pages = 0;    ///< of the engine; those kept for later requests count as free
    int64_t finished = 0, preempted = 0;  ///< requests since the start; a request may be preempted several times
    int64_t computed_tokens = 0;          ///< that went through the model, since the start
    int64_t reused_tokens = 0;            ///< whose pages were taken over instead
    int64_t generated_tokens = 0;
    int64_t step_texts = 0;  ///< requests that had a part in the last step
  };

  /// The engine's other sequences must leave it pages enough, and no one else may call it between submit and the end of a request.
  explicit Batcher(Engine& engine) : Batcher(engine, Options()) {}
  Batcher(Engine& engine, const Options& options);
  /// Drops requests that have not ended, without a call.
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  /// Queues a request from any thread and returns its number. Throws Error where it could never run: a prompt that is empty, longer
  /// than the context or no tokens of the model (exit 3), sampling out of range (exit 2), pages that could not hold it alone (exit
  /// 5).
  int64_t submit(Request request);
  /// Ends a request from any thread, at the beginning of the next step; does nothing where it has ended.
  void cancel(int64_t id);

  /// One forward pass, always by the same thread. False where there was nothing to do.
  bool step();

  Stats stats() const;  ///< after the last step; from any thread

 private:
  struct Active;
  using Queue = std::deque<std::unique_ptr<Active>>;  // in the order of submission

  int64_t check(const Request& request) const;
  void take_orders();
  void plan();
  void admit(int64_t left);
  bool about_to_fill(std::span<const int32_t> tokens, size_t found) const;
  int64_t piece(const Active& r, int64_t left) const;
  bool make_room(size_t index, int64_t count);
  void preempt_youngest();
  void schedule(Active& r, int64_t count);
  void store_prefix(Active& r, int64_t from);
  void evaluate(const Results& results);
  void score_prompt(Active& r, const Results& results);
  void draw(Active& r);
  void finish(Active& r, FinishReason reason, std::exception_ptr error = nullptr);
  void publish();

  Engine& engine_;
  const Options options_;
  PrefixIndex prefixes_;
  std::vector<Sampler> samplers_;  // one a thread
  Queue running_, waiting_;

  /// What is to be made of one of the results.
  struct Row {
    const Active* request;
    int32_t id;  // the token that comes after it; -1 = is to be drawn
    Token token;
    std::exception_ptr error;  // where there is no token
  };
  void evaluate(Row& row, NextToken next, Sampler& sampler) const;

  // Of the step being made.
  Batch batch_;
  std::vector<Row> rows_;      // of batch_.logits_at
  int64_t planned_pages_ = 0;  // that the batch will claim
  int64_t scored_rows_ = 0;    // logits wanted of prompts
  Stats totals_;

  mutable std::mutex mutex_;  // of what follows; never held while the engine or a callback runs
  Queue submitted_;
  std::vector<int64_t> cancelled_;
  int64_t next_id_ = 0;
  Stats stats_;
};

}  // namespace spectra::infer
