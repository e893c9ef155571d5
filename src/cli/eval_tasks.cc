// SPDX-License-Identifier: Apache-2.0
// What eval does with --list, --describe and --validate.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/eval.h"

namespace spectra::cli {

using nlohmann::ordered_json;

void list_tasks() {
  ordered_json tasks = ordered_json::array();
  for (const std::string& name : eval::builtin_task_names()) {
    const eval::Task task = eval::load_task(name).task;
    tasks.push_back({{"name", name},
                     {"kind", eval::kind_name(task.kind)},
                     {"documents", task.documents},
                     {"metrics", task.metrics},
                     {"about", task.about}});
    if (!global().json) fmt::print("{:<20} {}\n", name, task.about);
  }
  if (global().json) print_json(ordered_json{{"schema", "spectra.eval_tasks/1"}, {"tasks", tasks}}.dump());
}

void describe_task(const std::string& name) {
  const bool own = name.size() > 5 && name.compare(name.size() - 5, 5, ".toml") == 0;
  const std::string text =
      own ? read_file(name) : eval::builtin_task_text(eval::load_task(name).task.name);  // a part of a task shows the whole task
  if (global().json)
    print_json(ordered_json{{"schema", "spectra.eval_task/1"}, {"name", name}, {"toml", text}}.dump());
  else
    fmt::print("{}", text);
}

void validate_task(const std::string& file) {
  const eval::Task task = eval::parse_task(read_file(file), file);
  if (global().json)
    print_json(ordered_json{{"schema", "spectra.eval_task/1"}, {"name", task.name}, {"toml", read_file(file)}}.dump());
  else
    fmt::print("{}: task {} is valid: {}, {} spellings of the data\n", file, task.name, eval::kind_name(task.kind),
               task.columns.size());
}

}  // namespace spectra::cli
