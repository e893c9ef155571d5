// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which files hold a task's documents.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "eval/data_file.h"
#include "eval/task.h"

namespace spectra::eval {

/// Files of one spelling.
struct DataFiles {
  const Columns* columns;
  std::vector<fs::path> paths;
};

/// Directories to search and files named for a task.
class DataFinder {
 public:
  /// Each argument is a directory, "TASK=FILE" or "TASK:SPLIT=FILE" (several: once each). Throws Error (exit 3) where one is not
  /// there.
  explicit DataFinder(const std::vector<std::string>& arguments);

  /// A file fits when its first record has the columns of one spelling, its name does not belong to another split, and its path has
  /// the words that the task asks for. Throws Error saying what was looked for where none or several fit.
  DataFiles find(const Task& task, const std::string& split) const;
  /// Throws Error (exit 2) where a file is named for none of these tasks, or for a split that they do not read.
  void check_names(const std::vector<const Task*>& tasks) const;

 private:
  struct Found {
    const fs::path* path;
    const Columns* columns;
    bool says_split;  // in its name
  };
  /// `unread`: for each file that could not be looked into, what is wrong with it.
  std::vector<Found> candidates(const Task& task, const std::string& split, std::string& unread) const;
  DataFiles named(const Task& task, const std::vector<fs::path>& paths) const;
  [[noreturn]] void fail(const Task& task, const std::string& split, const std::string& unread) const;

  std::vector<fs::path> directories_;
  std::vector<std::pair<std::string, fs::path>>
      files_;                                           // what names are looked for in: the path below the directory, with its name
  std::map<std::string, std::vector<fs::path>> named_;  // "task" or "task:split"
};

/// All records of the split, of all its files.
std::vector<Record> load_records(const Task& task, const std::string& split, const DataFinder& finder);

}  // namespace spectra::eval
