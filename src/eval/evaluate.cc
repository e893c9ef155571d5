// SPDX-License-Identifier: Apache-2.0
#include "eval/evaluate.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/stopwatch.h"
#include "eval/python_text.h"

namespace spectra::eval {
namespace {

/// Metrics read one log-likelihood for each request, and take NaN for "does not count": no other answer may reach them.
void check_answer(const Task& task, const Document& document, const Answer& answer) {
  if (task.kind == Kind::kGenerate) return;
  const size_t wanted = task.kind == Kind::kRolling ? 1 : document.requests.size(), given = answer.logprobs.size();
  if (given < wanted || answer.greedy.size() != given || (task.kind != Kind::kRolling && given != wanted))
    throw bad_input(fmt::format("{}: an answer with {} log-likelihoods, expected {}", document.where, given, wanted),
                    "answers from a file must be those of this task");
  for (const double logprob : answer.logprobs)
    if (!std::isfinite(logprob))
      throw Error(Exit::kFailed, fmt::format("{}: the log-likelihood is {}", document.where, logprob),
                  "weights of the model are not finite, or its activations overflow: no score can be made of it");
}

}  // namespace

TaskResult prepare_task(const WantedTask& wanted, const DataFinder& finder, int64_t limit, int64_t fewshot) {
  const Task& task = wanted.task;
  if (fewshot >= 0 && task.fewshot && *task.fewshot != fewshot)
    log_warning("task {}: always {} examples, not {}", task.name, *task.fewshot, fewshot);
  TaskResult result;
  result.task = task;
  result.name = wanted.name;
  result.fewshot = task.fewshot.value_or(std::max<int64_t>(fewshot, 0));
  result.documents = build_documents(task, finder, {limit, result.fewshot, wanted.subsets});
  if (task.kind == Kind::kRolling &&
      std::all_of(result.documents.begin(), result.documents.end(), [](const Document& d) { return d.bytes == 0; }))
    throw bad_input(fmt::format("{}: the text is empty", result.documents[0].where), "expected text whose perplexity is measured");
  const auto count = static_cast<int64_t>(result.documents.size());
  if (task.documents > 0 && count != task.documents && limit == 0 && wanted.subsets.empty())
    log_warning("task {}: {} documents, and the published split has {}: scores are not comparable digit for digit", task.name,
                count, task.documents);
  return result;
}

void evaluate(TaskResult& result, Predictor& predictor, AnswerStore* store, int64_t resamples) {
  const Stopwatch watch;
  std::vector<size_t> wanted;
  uint64_t total = 0, passed = 0;
  result.answers.resize(result.documents.size());
  for (size_t i = 0; i < result.documents.size(); ++i) {
    const uint64_t bytes = request_bytes(result.documents[i]);
    total += bytes;
    const std::optional<Answer> kept = store == nullptr ? std::nullopt : store->find(result.task, result.documents[i]);
    if (kept) {
      check_answer(result.task, result.documents[i], *kept);
      result.answers[i] = *kept;
      passed += bytes;
      ++result.reused;
    } else {
      wanted.push_back(i);
    }
  }
  Progress bar(result.name, total, passed);
  size_t done = result.documents.size() - wanted.size();
  const auto take = [&](size_t index, const Answer& answer) {
    check_answer(result.task, result.documents[index], answer);
    result.answers[index] = answer;
    if (store != nullptr) store->add(result.task, result.documents[index], answer);
    passed += request_bytes(result.documents[index]);
    bar.update(passed, fmt::format("{} of {} documents", ++done, result.documents.size()));
  };
  try {
    predictor.predict(result.task, result.documents, wanted, take);
  } catch (const Error& error) {
    if (error.code() != Exit::kInterrupted || store == nullptr) throw;
    throw Error(Exit::kInterrupted, error.what(), "what was answered so far is kept: continue with --resume");
  }
  bar.clear();
  result.seconds = watch.seconds();
  result.rows = score_task(result.task, result.name, result.documents, result.answers, resamples);
}

std::string requests_json(const std::vector<TaskResult>& results) {
  std::string out = "[";
  for (const TaskResult& result : results)
    for (const Document& document : result.documents)
      for (const Request& request : document.requests) {
        if (out.size() > 1) out += ", ";
        if (result.task.kind == Kind::kRolling)
          out += fmt::format("[{}]", json_text(request.continuation));
        else
          out += fmt::format("[{}, {}]", json_text(request.context), json_text(request.continuation));
      }
  return out + "]";
}

}  // namespace spectra::eval
