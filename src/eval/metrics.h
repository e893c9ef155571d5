// SPDX-License-Identifier: Apache-2.0
#pragma once
// From answers to scores: each metric gives a document a value; the score is made of the values of all documents.
#include <optional>
#include <string>
#include <vector>

#include "eval/document.h"
#include "eval/task.h"

namespace spectra::eval {

/// What the values become.
enum class Aggregate : uint8_t {
  kMean,
  kPerplexity,      ///< exp(-mean); standard error by bootstrap
  kWordPerplexity,  ///< exp(-sum / words of all documents); no standard error
  kBytePerplexity,  ///< exp(-sum / bytes)
  kBitsPerByte      ///< -sum / bytes / ln 2
};

/// Which of two values is the better one. Of shares with a neutral middle (0.5, 0) neither the higher nor the lower is.
enum class Better : uint8_t { kHigher, kLower, kNeither };

struct Metric {
  const char* name;
  Kind kind;
  Aggregate aggregate;
  Better better;
  /// NaN: the document does not count.
  double (*value)(const Task& task, const Document& document, const Answer& answer);
  const char* help;  ///< one line
};
const std::vector<Metric>& metrics();
/// Null where tasks of that kind have none of that name.
const Metric* find_metric(const std::string& name, Kind kind);
/// Of the metric of that name; nothing where there is none.
std::optional<Better> better_direction(const std::string& name);

/// Index of the largest; among equals the first.
int64_t best_choice(const std::vector<double>& scores);
/// Text of a generated answer as it is compared: cut at the stop strings in their order, one leading space dropped.
std::string answer_text(const Task& task, const std::string& generated);

struct Score {
  std::string metric;
  double value = 0;                    ///< NaN where no document counts
  std::optional<double> stderr_value;  ///< none: not defined
  int64_t documents = 0;               ///< that counted
};

/// One line of the results: a task, a part or a group of parts.
struct ScoreRow {
  std::string name;
  int depth = 0;  ///< 1: a part or group of the task above
  int64_t documents = 0;
  std::vector<Score> scores;
};

/// Scores of all documents under `name`, which is the task's or a part's, then of the task's groups and parts (`answers` in the
/// order of `documents`). `resamples`: of the bootstrap.
std::vector<ScoreRow> score_task(const Task& task, const std::string& name, const std::vector<Document>& documents,
                                 const std::vector<Answer>& answers, int64_t resamples);

}  // namespace spectra::eval
