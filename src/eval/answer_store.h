// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers on disk as they come, so that an interrupted evaluation continues: a directory with evaluation.json (what is evaluated
// and how) and answers.jsonl, a line a document, appended. A last line that was cut off is dropped.
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "eval/document.h"
#include "eval/task.h"

namespace spectra::eval {

class AnswerStore {
 public:
  /// `identity`: a JSON text of all that answers depend on but the documents. Throws Error (exit 3) where the directory is in use
  /// and `resume` is false, belongs to another identity, or is damaged.
  AnswerStore(const fs::path& directory, const std::string& identity, bool resume);

  /// The answer to the same requests of that task, if it was kept.
  std::optional<Answer> find(const Task& task, const Document& document) const;
  void add(const Task& task, const Document& document, const Answer& answer);

 private:
  void load();
  fs::path file_;
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> out_;  // locked while it is open
  std::map<std::string, Answer> answers_;  // by key
};

}  // namespace spectra::eval
