// SPDX-License-Identifier: Apache-2.0
#ifndef SPECTRA_SPECTRA_HPP
#define SPECTRA_SPECTRA_HPP
// Spectra's C++ API (C++17): run a Llama-style model directory, packed or not.
//
//   spectra::Model model("models/TriLM_99M-packed");
//   std::cout << model.generate("Once upon a time").text;
//
// A header over the C API: nothing of C++ crosses the border of libspectra.so, so any compiler and standard library will do.
// <spectra/spectra.h> says more on each function, on threads and on limits. What fails throws spectra::Error.
#include <spectra/spectra.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spectra {

using Info = spectra_info;               ///< what a model is
using TokenScore = spectra_token_score;  ///< logprob, top

/// What was wrong: what(); what to do: hint().
class Error : public std::runtime_error {
 public:
  Error(spectra_status status, const char* message, std::string hint)
      : std::runtime_error(message), status_(status), hint_(std::move(hint)) {}
  spectra_status status() const { return status_; }
  const std::string& hint() const { return hint_; }

 private:
  spectra_status status_;
  std::string hint_;
};

enum class Activations { kAuto, kFp32, kBf16, kInt8 };  ///< kAuto: int8 for packed models, else fp32

struct LoadOptions {
  Activations activations = Activations::kAuto;
  int threads = 0;             ///< 0 = all cores
  std::uint64_t kv_bytes = 0;  ///< memory for keys and values of all sequences; 0 = one sequence of the whole context
};

/// As spectra_generate_options: 0 (or 1, for top_p and the penalty) switches a filter off.
struct GenerateOptions {
  std::int64_t max_tokens = 256;
  double temperature = 0;  ///< 0 = always the most probable token
  std::int64_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
  double repetition_penalty = 1;
  std::uint64_t seed = 0;
  std::vector<std::string> stops = {};  ///< the text ends before the first of these
};

enum class Finish { kStop, kLength, kCancelled };

struct Generated {
  std::string text;  ///< UTF-8, without the prompt
  std::vector<std::int32_t> tokens;
  Finish finish = Finish::kLength;
  std::int64_t prompt_tokens = 0;
  double prefill_seconds = 0, decode_seconds = 0;
};

/// Gets the text in pieces; returns whether to go on. May use the model. What it throws comes out of generate().
using OnText = std::function<bool(std::string_view piece)>;

namespace detail {

inline void check(spectra_status status) {
  if (status != SPECTRA_OK) throw Error(status, spectra_last_error(), spectra_last_hint());
}

struct Delete {
  void operator()(spectra_model* model) const { spectra_model_free(model); }
  void operator()(spectra_session* session) const { spectra_session_free(session); }
  void operator()(spectra_generated* generated) const { spectra_generated_free(generated); }
  void operator()(char* text) const { spectra_free(text); }
  void operator()(std::int32_t* tokens) const { spectra_free(tokens); }
};
template <class T>
using Handle = std::unique_ptr<T, Delete>;

/// Calls `function` with a place for a pointer, which it then owns.
template <class T, class Function>
Handle<T> made(const Function& function) {
  T* pointer = nullptr;
  check(function(&pointer));
  return Handle<T>(pointer);
}

/// Brings an exception of the callback past the C API.
struct Callback {
  const OnText& on_text;
  std::exception_ptr exception;

  static int call(const char* text, std::size_t bytes, void* self) noexcept {
    Callback& callback = *static_cast<Callback*>(self);
    try {
      return callback.on_text({text, bytes}) ? 1 : 0;
    } catch (...) {
      callback.exception = std::current_exception();
      return 0;
    }
  }
};

}  // namespace detail

inline std::string version() { return spectra_version(); }

/// A sequence of tokens that the model has seen, to be continued or cut back: for loops of your own. May outlive the model.
class Session {
 public:
  /// Appends tokens, at least one; returns the logits (vocab) of the token after them.
  std::vector<float> append(const std::vector<std::int32_t>& tokens) {
    std::vector<float> logits(vocab_);
    detail::check(spectra_session_append(handle_.get(), tokens.data(), tokens.size(), logits.data()));
    return logits;
  }
  /// Forgets all but the first `length` tokens.
  void rewind(std::size_t length) { detail::check(spectra_session_rewind(handle_.get(), length)); }
  std::size_t length() const { return spectra_session_length(handle_.get()); }

 private:
  friend class Model;
  Session(spectra_model* model, std::size_t vocab)
      : handle_(detail::made<spectra_session>([&](auto** out) { return spectra_session_open(model, out); })), vocab_(vocab) {}
  detail::Handle<spectra_session> handle_;
  std::size_t vocab_;
};

/// A model directory in memory, with its tokenizer.
class Model {
 public:
  explicit Model(const std::string& directory, const LoadOptions& options = {}) {
    spectra_load_options c;
    spectra_load_options_init(&c, sizeof(c));
    c.activations = static_cast<std::int32_t>(options.activations);
    c.threads = options.threads;
    c.kv_bytes = options.kv_bytes;
    handle_ = detail::made<spectra_model>([&](auto** out) { return spectra_model_load(directory.c_str(), &c, out); });
  }

  const Info& info() const { return *spectra_model_info(handle_.get()); }

  /// Ids of a text. By default as a prompt: BOS first where the model wants one. `flags`: of spectra_encode().
  std::vector<std::int32_t> encode(std::string_view text, int flags = SPECTRA_ENCODE_BOS) const {
    std::size_t count = 0;
    const auto tokens = detail::made<std::int32_t>(
        [&](auto** out) { return spectra_encode(handle_.get(), text.data(), text.size(), flags, out, &count); });
    return {tokens.get(), tokens.get() + count};
  }

  /// The text of tokens, special ones left out; not always whole characters.
  std::string decode(const std::vector<std::int32_t>& tokens) const {
    std::size_t bytes = 0;
    const auto text =
        detail::made<char>([&](auto** out) { return spectra_decode(handle_.get(), tokens.data(), tokens.size(), out, &bytes); });
    return {text.get(), bytes};
  }

  /// Continues `prompt`.
  Generated generate(std::string_view prompt, const GenerateOptions& options = {}, const OnText& on_text = {}) {
    std::vector<const char*> stops;
    for (const std::string& stop : options.stops) stops.push_back(stop.c_str());
    spectra_generate_options c;
    spectra_generate_options_init(&c, sizeof(c));
    c.max_tokens = options.max_tokens;
    c.temperature = options.temperature;
    c.top_k = options.top_k;
    c.top_p = options.top_p;
    c.min_p = options.min_p;
    c.repetition_penalty = options.repetition_penalty;
    c.seed = options.seed;
    c.stops = stops.data();
    c.stop_count = stops.size();
    detail::Callback callback{on_text, nullptr};
    const auto g = detail::made<spectra_generated>([&](auto** out) {
      return spectra_generate(handle_.get(), prompt.data(), prompt.size(), &c, on_text ? &detail::Callback::call : nullptr,
                              &callback, out);
    });
    if (callback.exception) std::rethrow_exception(callback.exception);
    return {{g->text, g->bytes},
            {g->tokens, g->tokens + g->token_count},
            static_cast<Finish>(g->finish),
            g->prompt_tokens,
            g->prefill_seconds,
            g->decode_seconds};
  }

  /// The probability of every token but the first, given those before it: result[i] belongs to tokens[i + 1].
  std::vector<TokenScore> score(const std::vector<std::int32_t>& tokens) {
    std::vector<TokenScore> scores(tokens.empty() ? 1 : tokens.size());
    detail::check(spectra_score(handle_.get(), tokens.data(), tokens.size(), scores.data()));
    scores.pop_back();
    return scores;
  }

  Session session() { return {handle_.get(), static_cast<std::size_t>(info().vocab)}; }

 private:
  detail::Handle<spectra_model> handle_;
};

}  // namespace spectra

#endif
