// SPDX-License-Identifier: Apache-2.0
#include "eval/engine_predictor.h"

#include <algorithm>
#include <exception>
#include <memory>

#include "base/log.h"
#include "base/system.h"
#include "infer/batcher.h"
#include "infer/text_stream.h"

namespace spectra::eval {
namespace {

/// Requests that the batcher knows of: more would only take memory.
constexpr size_t kSubmitted = 256;

/// Long documents first, so that what does not fit shows at once and the estimate of the time left falls; parts one after the
/// other, since documents of a part share their examples.
std::vector<size_t> order_of(const std::vector<Document>& documents, std::vector<size_t> wanted) {
  std::stable_sort(wanted.begin(), wanted.end(), [&](size_t a, size_t b) {
    if (documents[a].subset != documents[b].subset) return documents[a].subset < documents[b].subset;
    return request_bytes(documents[a]) > request_bytes(documents[b]);
  });
  return wanted;
}

Answer answer_of(const Task& task, const std::vector<RequestScore>& scores) {
  Answer answer;
  for (const RequestScore& s : scores) {
    answer.logprobs.push_back(s.logprob);
    answer.greedy.push_back(s.greedy);
  }
  if (task.kind == Kind::kRolling) {  // the windows of one text
    double sum = 0;
    for (const double logprob : answer.logprobs) sum += logprob;
    const bool greedy = std::count(answer.greedy.begin(), answer.greedy.end(), 0) == 0;
    return {{sum}, {greedy}, ""};
  }
  return answer;
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
  stats_ = {};
  const int64_t cut = encoder_.cut();
  if (task.kind == Kind::kGenerate)
    generate(task, documents, order, done);
  else
    score(task, documents, order, done);
  if (encoder_.cut() > cut)
    log_warning("task {}: {} requests are longer than the model's context of {}: their beginnings were cut", task.name,
                encoder_.cut() - cut, engine_.context());
}

std::vector<TokenRequest> EnginePredictor::encode(const Task& task, const Document& document) {
  if (task.kind == Kind::kRolling) return encoder_.rolling(document.requests[0].continuation);
  std::vector<TokenRequest> requests;
  for (const Request& request : document.requests) requests.push_back(encoder_.encode(request, document.where));
  return requests;
}

void EnginePredictor::score(const Task& task, const std::vector<Document>& documents, const std::vector<size_t>& order,
                            const Done& done) {
  size_t taken = 0;
  const auto next = [&]() -> std::optional<ScoreItem> {
    if (taken == order.size()) return std::nullopt;
    const size_t index = order[taken++];
    return ScoreItem{index, encode(task, documents[index])};
  };
  const auto answer = [&](size_t index, const std::vector<RequestScore>& scores) { done(index, answer_of(task, scores)); };
  if (alone_) return score_one_by_one(next, answer);
  Scorer scorer(engine_);
  scorer.run(next, answer);
  stats_ = scorer.stats();
}

void EnginePredictor::score_one_by_one(const Next& next, const Scored& done) {
  while (const std::optional<ScoreItem> item = next()) {
    std::vector<RequestScore> scores;
    for (const TokenRequest& request : item->requests) {
      check_interrupted();
      scores.push_back(score_alone(engine_, request));
      stats_.computed_tokens += request.inputs();
      stats_.request_tokens += request.inputs();
    }
    done(item->index, scores);
  }
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
    check_interrupted();
    while (taken < order.size() && taken - finished < kSubmitted) submit(order[taken++]);
    batcher.step();
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace spectra::eval
