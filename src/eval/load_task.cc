// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/nearest.h"
#include "eval/embedded_tasks.h"
#include "eval/task.h"

namespace spectra::eval {
namespace {

const EmbeddedTask* find_builtin(const std::string& name) {
  for (const EmbeddedTask& task : embedded_tasks())
    if (task.name == name) return &task;
  return nullptr;
}

/// Parts of `task` that `part`, written with underscores, names: one, or those of a group. Empty where there are none.
Texts parts_named(const Task& task, const std::string& part) {
  const auto same = [&](std::string name) {
    std::replace(name.begin(), name.end(), '-', '_');
    return name == part;
  };
  for (const std::string& name : task.subsets.names)
    if (same(name)) return {name};
  for (const auto& group : task.subsets.groups)
    if (same(group.first)) return group.second;
  return {};
}

}  // namespace

std::vector<std::string> builtin_task_names() {
  std::vector<std::string> names;
  for (const EmbeddedTask& task : embedded_tasks()) names.push_back(task.name);
  std::sort(names.begin(), names.end());
  return names;
}

const std::string& builtin_task_text(const std::string& name) {
  if (const EmbeddedTask* task = find_builtin(name)) return task->text;
  const std::string near = nearest(name, builtin_task_names());
  throw Error(
      Exit::kUsage, fmt::format("there is no task {}", name),
      near.empty() ? "`spectra eval --list` lists them; a file of your own ends in .toml" : fmt::format("did you mean {}?", near));
}

WantedTask load_task(const std::string& name) {
  if (name.size() > 5 && name.compare(name.size() - 5, 5, ".toml") == 0) {
    Task task = parse_task(read_file(name), name);
    const std::string own = task.name;
    return {std::move(task), own, {}};
  }
  if (const EmbeddedTask* task = find_builtin(name)) return {parse_task(task->text, name + ".toml"), name, {}};
  for (size_t at = name.rfind('_'); at != std::string::npos && at > 0; at = name.rfind('_', at - 1))
    if (const EmbeddedTask* found = find_builtin(name.substr(0, at))) {
      WantedTask wanted{parse_task(found->text, found->name + ".toml"), name, {}};
      wanted.subsets = parts_named(wanted.task, name.substr(at + 1));
      if (!wanted.subsets.empty()) return wanted;
    }
  builtin_task_text(name);  // throws
  return {};
}

}  // namespace spectra::eval
