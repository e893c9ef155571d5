// SPDX-License-Identifier: Apache-2.0
#include "eval/engine_predictor.h"

#include <algorithm>
#include <exception>
#include <memory>

#include "base/system.h"
#include "infer/batcher.h"
#include "infer/text_stream.h"

namespace spectra::eval {
namespace {

/// Requests that the batcher knows of: more would only take memory.
constexpr size_t kSubmitted = 256;

size_t length(const Document& document) {
  size_t bytes = 0;
  for (const Request& request : document.requests) bytes += request.context.size() + request.continuation.size();
  return bytes;
}

/// Long documents first, so that what does not fit shows at once and the estimate of the time left falls; parts one after the
/// other, since documents of a part share their examples.
std::vector<size_t> order_of(const std::vector<Document>& documents, std::vector<size_t> wanted) {
  std::stable_sort(wanted.begin(), wanted.end(), [&](size_t a, size_t b) {
    if (documents[a].subset != documents[b].subset) return documents[a].subset < documents[b].subset;
    return length(documents[a]) > length(documents[b]);
  });
  return wanted;
}

/// A text being written.
struct Writing {
  explicit Writing(const Texts& stops) : stream(stops) {}
  infer::TextStream stream;
  std::string text;
  int64_t previous = -1;
};

}  // namespace

void EnginePredictor::predict(const Task& task, const std::vector<Document>& documents, const std::vector<size_t>& wanted,
                              const Done& done) {
  const std::vector<size_t> order = order_of(documents, wanted);
  if (task.kind == Kind::kGenerate)
    generate(task, documents, order, done);
  else
    score(task, documents, order, done);
}

std::vector<TokenRequest> EnginePredictor::encode(const Task& task, const Document& document) {
  if (task.kind == Kind::kRolling) return encoder_.rolling(document.requests[0].continuation);
  std::vector<TokenRequest> requests;
  for (const Request& request : document.requests) requests.push_back(encoder_.encode(request, document.where));
  return requests;
}

void EnginePredictor::score(const Task& task, const std::vector<Document>& documents, const std::vector<size_t>& order,
                            const Done& done) {
  Scorer scorer(engine_);
  size_t taken = 0;
  const auto next = [&]() -> std::optional<ScoreItem> {
    if (taken == order.size()) return std::nullopt;
    const size_t index = order[taken++];
    return ScoreItem{index, encode(task, documents[index])};
  };
  scorer.run(next, [&](size_t index, const std::vector<RequestScore>& scores) {
    Answer answer;
    if (task.kind == Kind::kRolling) {  // the windows of one text
      RequestScore whole{0, true};
      for (const RequestScore& s : scores) whole = {whole.logprob + s.logprob, whole.greedy && s.greedy};
      answer.logprobs = {whole.logprob};
      answer.greedy = {whole.greedy};
    }
    for (size_t i = 0; task.kind != Kind::kRolling && i < scores.size(); ++i) {
      answer.logprobs.push_back(scores[i].logprob);
      answer.greedy.push_back(scores[i].greedy);
    }
    done(index, answer);
  });
  stats_ = scorer.stats();
}

void EnginePredictor::generate(const Task& task, const std::vector<Document>& documents, const std::vector<size_t>& order,
                               const Done& done) {
  infer::Batcher batcher(engine_);
  size_t taken = 0, finished = 0;
  std::exception_ptr failure;
  const auto submit = [&](size_t index) {
    const auto writing = std::make_shared<Writing>(task.stop);
    infer::Request request;
    request.prompt = encoder_.prompt(documents[index].requests[0].context, task.max_tokens);
    request.max_tokens = task.max_tokens;
    for (const int32_t id : {engine_.model().config.eos, tokenizer_.eos()})
      if (id >= 0) request.stop_ids.push_back(id);
    request.on_token = [this, writing](const infer::Token& token) {
      if (token.stop) return true;
      const auto id = static_cast<uint32_t>(token.id);
      if (!tokenizer_.is_special(id)) writing->text += writing->stream.push(tokenizer_.piece(id, writing->previous));
      writing->previous = token.id;
      return !writing->stream.stopped();
    };
    request.on_finish = [&, index, writing](const infer::Finished& end) {
      ++finished;
      if (end.error) {
        failure = end.error;
        return;
      }
      writing->text += writing->stream.finish();
      done(index, Answer{{}, {}, writing->text});
    };
    batcher.submit(std::move(request));
  };
  while (finished < order.size()) {
    check_interrupted("what was answered so far is kept with --out");
    while (taken < order.size() && taken - finished < kSubmitted) submit(order[taken++]);
    batcher.step();
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace spectra::eval
