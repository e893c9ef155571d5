// SPDX-License-Identifier: Apache-2.0
#pragma once
// From records to what the model is asked: prompts with examples, choices, the right answer.
#include <cstdint>
#include <string>
#include <vector>

#include "eval/document.h"
#include "eval/find_data.h"
#include "eval/task.h"

namespace spectra::eval {

struct DocumentOptions {
  int64_t limit = 0;    ///< the first so many documents (of each part, where parts are tasks of their own); 0 = all
  int64_t fewshot = 0;  ///< examples before each prompt
  Texts subsets;        ///< only these parts; empty = all
};

/// Throws Error naming file, line and what was expected for a record that does not fit the task, and where no document is left.
std::vector<Document> build_documents(const Task& task, const DataFinder& finder, const DocumentOptions& options);

}  // namespace spectra::eval
