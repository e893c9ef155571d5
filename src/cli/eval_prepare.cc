// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/error.h"
#include "cli/eval.h"

namespace spectra::cli {
namespace {

/// "spectra" stands for the thirteen tasks of the paper's tables.
std::vector<std::string> task_names(const std::string& list) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string name = list.substr(begin, end - begin);
    if (name == "spectra")
      names.insert(names.end(), paper_tasks().begin(), paper_tasks().end());
    else if (!name.empty())
      names.push_back(name);
    begin = end + 1;
  }
  if (names.empty())
    throw Error(Exit::kUsage, "no tasks to evaluate", "give --tasks arc_easy,hellaswag,...; `spectra eval --list` lists them");
  return names;
}

}  // namespace

std::vector<eval::TaskResult> prepare_tasks(const EvalArguments& a) {
  const eval::DataFinder finder(a.data);
  std::vector<eval::WantedTask> wanted;
  for (const std::string& name : task_names(a.tasks)) {
    wanted.push_back(eval::load_task(name));
    const auto same = [&](const eval::WantedTask& other) { return other.name == wanted.back().name; };
    if (std::count_if(wanted.begin(), wanted.end(), same) > 1)
      throw Error(Exit::kUsage, fmt::format("--tasks has {} twice", wanted.back().name), "results are told apart by their names");
  }
  std::vector<const eval::Task*> tasks;
  for (const eval::WantedTask& task : wanted) tasks.push_back(&task.task);
  finder.check_names(tasks);
  std::vector<eval::TaskResult> results;
  for (const eval::WantedTask& task : wanted) results.push_back(eval::prepare_task(task, finder, a.limit, a.fewshot));
  return results;
}

}  // namespace spectra::cli
