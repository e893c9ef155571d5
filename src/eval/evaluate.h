// SPDX-License-Identifier: Apache-2.0
#pragma once
// A task from its documents to its scores.
#include <cstdint>
#include <string>
#include <vector>

#include "eval/answer_store.h"
#include "eval/build_documents.h"
#include "eval/metrics.h"
#include "eval/predictor.h"

namespace spectra::eval {

struct TaskResult {
  Task task;
  std::string name;  ///< of the task, or of the part that was asked for
  int64_t fewshot = 0;
  std::vector<Document> documents;
  std::vector<Answer> answers;
  std::vector<ScoreRow> rows;                       ///< the first has the result's name
  int64_t reused = 0;                               ///< answers that were already there
  double seconds = 0;                               ///< for the others
  int64_t computed_tokens = 0, request_tokens = 0;  ///< of a model that scores: see Scorer::Stats
};

/// The documents of a wanted task; `fewshot` < 0: the task's own number, 0. A number that the task fixes holds, with a
/// warning, as in the harness. Throws Error where the data do not fit, and for a text without any bytes.
TaskResult prepare_task(const WantedTask& wanted, const DataFinder& finder, int64_t limit, int64_t fewshot);

/// Answers all documents, with progress, and scores them. `store` may be null. `resamples`: of the bootstrap. Throws Error (exit 1)
/// naming the document whose log-likelihood is not finite, and (exit 3) for an answer that is not that of its requests.
void evaluate(TaskResult& result, Predictor& predictor, AnswerStore* store, int64_t resamples);

/// All requests in order as Python's json.dumps writes them, [[context, continuation], ...], or [text] for rolling tasks: the
/// sha256 of the file is the one that the harness's own tests record.
std::string requests_json(const std::vector<TaskResult>& results);

}  // namespace spectra::eval
