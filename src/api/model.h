// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is behind the handles of the C API: a model with its engine, and sequences of it. Adds to the engine what callers from
// outside need: locks, a thread count of its own, and checks of everything that they hand in.
#include <spectra/spectra.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "infer/generate.h"

namespace spectra::api {

/// Thread-safe: computing calls wait for each other.
class Model {
 public:
  Model(const std::string& directory, const spectra_load_options& options);

  const spectra_info& info() const { return info_; }
  /// Throws Error (exit 3) where the directory has none.
  const text::Tokenizer& tokenizer() const;

  /// `flags`: of spectra_encode().
  std::vector<int32_t> encode(std::string_view text, int32_t flags) const;
  /// Releases the lock while it is in `on_text`, which may return false to end the text.
  infer::Generated generate(std::string_view prompt, const infer::GenerateOptions& options,
                            const std::function<bool(std::string_view)>& on_text);

 private:
  friend class Session;
  class Call;
  void describe(const spectra_load_options& options);

  std::optional<text::Tokenizer> tokenizer_;
  std::optional<infer::Engine> engine_;
  spectra_info info_{};
  std::mutex mutex_;  ///< held by the thread that uses the engine
};

/// A sequence of a model. Thread-safe as the model.
class Session {
 public:
  explicit Session(std::shared_ptr<Model> model);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Appends tokens, all or none; `logits`: null, or room for V floats, those after the last token.
  void append(std::span<const int32_t> tokens, float* logits);
  /// Appends all tokens but the last; scores[i] becomes the probability of tokens[i + 1].
  void score(std::span<const int32_t> tokens, spectra_token_score* scores);
  void rewind(size_t length);
  size_t length() const { return static_cast<size_t>(length_.load()); }

 private:
  /// Throws unless all ids are tokens and there is room for `appended` of them.
  void check(std::span<const int32_t> tokens, size_t appended) const;
  /// Appends batches made by `add(batch, i)` of tokens [0, count), hands each output to `take`; on an error none was appended.
  template <class Add, class Take>
  void forward(size_t count, const Add& add, const Take& take);
  void cut(int32_t length);

  std::shared_ptr<Model> model_;
  int32_t id_ = -1;
  std::atomic<int32_t> length_ = 0;  ///< written under the model's lock
};

}  // namespace spectra::api
