// SPDX-License-Identifier: Apache-2.0
#include "eval/evaluate.h"

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "eval/python_text.h"

namespace spectra::eval {
namespace {

uint64_t bytes_of(const Document& document) {
  uint64_t bytes = 0;
  for (const Request& request : document.requests) bytes += request.context.size() + request.continuation.size();
  return bytes;
}

}  // namespace

TaskResult prepare_task(const WantedTask& wanted, const DataFinder& finder, int64_t limit, int64_t fewshot) {
  const Task& task = wanted.task;
  if (fewshot >= 0 && task.fewshot && *task.fewshot != fewshot)
    throw Error(Exit::kUsage,
                fmt::format("task {} always has {} examples, and --fewshot asks for {}", task.name, *task.fewshot, fewshot),
                "evaluate it without --fewshot");
  TaskResult result;
  result.task = task;
  result.fewshot = task.fewshot.value_or(std::max<int64_t>(fewshot, 0));
  result.documents = build_documents(task, finder, {limit, result.fewshot, wanted.subsets});
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
    const uint64_t bytes = bytes_of(result.documents[i]);
    total += bytes;
    const std::optional<Answer> kept = store == nullptr ? std::nullopt : store->find(result.task.name, result.documents[i]);
    if (kept) {
      result.answers[i] = *kept;
      passed += bytes;
      ++result.reused;
    } else {
      wanted.push_back(i);
    }
  }
  Progress bar(result.task.name, total, passed);
  size_t done = result.documents.size() - wanted.size();
  predictor.predict(result.task, result.documents, wanted, [&](size_t index, const Answer& answer) {
    result.answers[index] = answer;
    if (store != nullptr) store->add(result.task.name, result.documents[index], answer);
    passed += bytes_of(result.documents[index]);
    bar.update(passed, fmt::format("{} of {} documents", ++done, result.documents.size()));
  });
  bar.clear();
  result.seconds = watch.seconds();
  result.rows = score_task(result.task, result.documents, result.answers, resamples);
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
