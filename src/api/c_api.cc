// SPDX-License-Identifier: Apache-2.0
// The exported functions: arguments checked, handles resolved, results copied into memory that C can free.
#include <cstdlib>
#include <cstring>

#include "api/model.h"
#include "api/options.h"
#include "api/status.h"
#include "base/version.h"

using spectra::Error;
using spectra::Exit;
using spectra::api::guarded;
using spectra::api::require;

struct spectra_model {
  std::shared_ptr<spectra::api::Model> model;
};
struct spectra_session {
  spectra::api::Session session;
};

namespace spectra::api {
namespace {

/// The span of `count` items, which may be NULL where there are none.
template <class T>
std::span<const T> span_of(const T* data, size_t count, const char* name) {
  if (count > 0) require(data, name);
  return {data, count};
}

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
template <class T>
using Memory = std::unique_ptr<T, Free>;

/// A copy for the caller, with a zero behind the last item.
template <class T>
Memory<T> copied(const T* data, size_t count) {
  Memory<T> memory(static_cast<T*>(std::calloc(count + 1, sizeof(T))));
  if (memory == nullptr) throw std::bad_alloc();
  if (count > 0) std::memcpy(memory.get(), data, count * sizeof(T));
  return memory;
}

infer::GenerateOptions options_of(const spectra_generate_options& given) {
  infer::GenerateOptions options;
  options.max_tokens = given.max_tokens;
  if (given.max_tokens < 0)
    throw Error(Exit::kUsage, fmt::format("max_tokens {} is out of range", given.max_tokens), "allowed: 0 or more");
  infer::Sampling& s = options.sampling;
  s.repetition_penalty = given.repetition_penalty;
  s.temperature = given.temperature;
  s.top_k = given.top_k;
  s.top_p = given.top_p;
  s.min_p = given.min_p;
  s.seed = given.seed;
  for (const char* stop : span_of(given.stops, given.stop_count, "stops")) {
    require(stop, "a stop string");
    options.stops.emplace_back(stop);
  }
  return options;
}

Memory<spectra_generated> exported(const infer::Generated& from) {
  Memory<char> text = copied(from.text.data(), from.text.size());
  Memory<int32_t> tokens = copied(from.tokens.data(), from.tokens.size());
  Memory<spectra_generated> result = copied<spectra_generated>(nullptr, 0);
  result->bytes = from.text.size();
  result->token_count = from.tokens.size();
  result->prompt_tokens = from.prompt_tokens;
  result->finish = from.finish == infer::FinishReason::kStop     ? SPECTRA_FINISH_STOP
                   : from.finish == infer::FinishReason::kLength ? SPECTRA_FINISH_LENGTH
                                                                 : SPECTRA_FINISH_CANCELLED;
  result->prefill_seconds = from.prefill_seconds;
  result->decode_seconds = from.decode_seconds;
  result->text = text.release();
  result->tokens = tokens.release();
  return result;
}

}  // namespace

template <>
spectra_load_options defaults<spectra_load_options>() {
  return {sizeof(spectra_load_options), SPECTRA_ACTIVATIONS_AUTO, 0, 0};
}

template <>
spectra_generate_options defaults<spectra_generate_options>() {
  return {sizeof(spectra_generate_options), 256, 0, 0, 1, 0, 1, 0, nullptr, 0};
}

}  // namespace spectra::api

using namespace spectra::api;

const char* spectra_version(void) { return spectra::tool_version(); }
void spectra_free(void* memory) { std::free(memory); }

void spectra_load_options_init(spectra_load_options* options, size_t size) { initialize(options, size); }
void spectra_generate_options_init(spectra_generate_options* options, size_t size) { initialize(options, size); }

spectra_status spectra_model_load(const char* path, const spectra_load_options* options, spectra_model** model) {
  return guarded([&] {
    require(path, "path");
    require(model, "model");
    *model = new spectra_model{std::make_shared<Model>(path, read(options, "spectra_load_options"))};
  });
}

void spectra_model_free(spectra_model* model) { delete model; }

const spectra_info* spectra_model_info(const spectra_model* model) { return model == nullptr ? nullptr : &model->model->info(); }

spectra_status spectra_encode(const spectra_model* model, const char* text, size_t bytes, int32_t flags, int32_t** tokens,
                              size_t* count) {
  return guarded([&] {
    require(model, "model");
    require(tokens, "tokens");
    require(count, "count");
    if ((flags & ~(SPECTRA_ENCODE_BOS | SPECTRA_ENCODE_PLAIN)) != 0)
      throw Error(Exit::kUsage, fmt::format("flags {} are unknown", flags), "allowed: SPECTRA_ENCODE_BOS | SPECTRA_ENCODE_PLAIN");
    const auto span = span_of(text, bytes, "text");
    const std::vector<int32_t> ids = model->model->encode({span.data(), span.size()}, flags);
    *tokens = copied(ids.data(), ids.size()).release();
    *count = ids.size();
  });
}

spectra_status spectra_decode(const spectra_model* model, const int32_t* tokens, size_t count, char** text, size_t* bytes) {
  return guarded([&] {
    require(model, "model");
    require(text, "text");
    const auto ids = span_of(tokens, count, "tokens");
    const std::string decoded = model->model->tokenizer().decode({ids.begin(), ids.end()});
    *text = copied(decoded.data(), decoded.size()).release();
    if (bytes != nullptr) *bytes = decoded.size();
  });
}

spectra_status spectra_generate(spectra_model* model, const char* prompt, size_t bytes, const spectra_generate_options* options,
                                spectra_on_text on_text, void* user, spectra_generated** result) {
  return guarded([&] {
    require(model, "model");
    const auto span = span_of(prompt, bytes, "prompt");
    const std::shared_ptr<Model> held = model->model;  // the callback may free the handle
    std::function<bool(std::string_view)> show;
    if (on_text != nullptr)
      show = [&](std::string_view piece) { return on_text(std::string(piece).c_str(), piece.size(), user) != 0; };
    const auto generated = held->generate({span.data(), span.size()}, options_of(read(options, "spectra_generate_options")), show);
    if (result != nullptr) *result = exported(generated).release();
  });
}

void spectra_generated_free(spectra_generated* result) {
  if (result == nullptr) return;
  std::free(const_cast<char*>(result->text));
  std::free(const_cast<int32_t*>(result->tokens));
  std::free(result);
}

spectra_status spectra_score(spectra_model* model, const int32_t* tokens, size_t count, spectra_token_score* scores) {
  return guarded([&] {
    require(model, "model");
    require(scores, "scores");
    Session(model->model).score(span_of(tokens, count, "tokens"), scores);
  });
}

spectra_status spectra_session_open(spectra_model* model, spectra_session** session) {
  return guarded([&] {
    require(model, "model");
    require(session, "session");
    *session = new spectra_session{Session(model->model)};
  });
}

void spectra_session_free(spectra_session* session) { delete session; }

spectra_status spectra_session_append(spectra_session* session, const int32_t* tokens, size_t count, float* logits) {
  return guarded([&] {
    require(session, "session");
    session->session.append(span_of(tokens, count, "tokens"), logits);
  });
}

spectra_status spectra_session_rewind(spectra_session* session, size_t length) {
  return guarded([&] {
    require(session, "session");
    session->session.rewind(length);
  });
}

size_t spectra_session_length(const spectra_session* session) { return session == nullptr ? 0 : session->session.length(); }
