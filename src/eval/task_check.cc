// SPDX-License-Identifier: Apache-2.0
// Whether the parts of a task fit together.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "eval/metrics.h"
#include "eval/task.h"

namespace spectra::eval {
namespace {

using Used = std::vector<std::pair<std::string, const Template*>>;  // key, template

/// Templates whose fields every document must have.
Used used_templates(const Task& task) {
  Used used = {{"description", &task.description}};
  const auto add = [&](const char* key, const std::vector<Template>& templates) {
    for (const Template& t : templates) used.emplace_back(key, &t);
  };
  const auto add_one = [&](const char* key, const std::optional<Template>& t) {
    if (t) used.emplace_back(key, &*t);
  };
  add("prompt", task.prompts);
  add("choices", task.choices);
  add_one("target", task.target);
  add_one("gold", task.gold.label);
  add("gold_sum", task.gold.sum);
  add_one("true_labels", task.true_labels);
  add_one("answers", task.answers);
  add_one("text", task.text);
  add_one("original", task.original);
  add_one("subsets.of", task.subsets.of);
  for (const auto& note : task.notes) used.emplace_back("notes." + note.first, &note.second);
  return used;
}

/// Fields that a file in this spelling has, with those made of others.
std::set<std::string> fields_of(const Task& task, const Columns& columns) {
  std::set<std::string> fields;
  for (const auto& path : columns.paths) fields.insert(path.first);
  if (!columns.labels_file.empty()) fields.insert("label");
  for (const auto& made : task.fields) {
    const std::vector<std::string> parts = made.second.fields();
    if (std::all_of(parts.begin(), parts.end(), [&](const std::string& f) { return fields.count(f) > 0; }))
      fields.insert(made.first);
  }
  return fields;
}

void check_fields(const Task& task, const std::string& where) {
  for (size_t i = 0; i < task.columns.size(); ++i) {
    const std::set<std::string> fields = fields_of(task, task.columns[i]);
    for (const auto& [key, text] : used_templates(task))
      for (const std::string& field : text->fields())
        if (fields.count(field) == 0)
          throw bad_input(
              fmt::format("{}: {} uses the field {}, which [[columns]] number {} does not give", where, key, field, i + 1),
              "every spelling of the data must give all fields");
  }
}

void require(bool holds, const std::string& where, const char* what, const char* hint) {
  if (!holds) throw bad_input(fmt::format("{}: {}", where, what), hint);
}

void check_kind(const Task& task, const std::string& where) {
  const bool several = task.prompts.size() > 1;
  switch (task.kind) {
    case Kind::kChoice:
      require(!task.prompts.empty(), where, "a choice task lacks prompt", "an empty text is a prompt too");
      require(several ? task.target.has_value() && task.choices.empty() : !task.choices.empty() && !task.target, where,
              "prompt and choices do not fit together", "give one prompt and choices, or several prompts and a target");
      return require(task.gold.labels.empty() || task.choices_are_list ||
                         task.gold.labels.size() == (several ? task.prompts.size() : task.choices.size()),
                     where, "gold_labels and choices differ in number", "list one label, or one list of labels, for each choice");
    case Kind::kTarget:
      return require(task.prompts.size() == 1 && task.target, where, "a target task needs prompt and target", "one text each");
    case Kind::kGenerate:
      return require(task.prompts.size() == 1 && task.answers && !task.stop.empty(), where,
                     "a generate task needs prompt, answers and stop", "answers is a list, stop one text or several");
    case Kind::kRolling:
      return require(task.text.has_value(), where, "a rolling task lacks text", "give the text whose perplexity is measured");
  }
}

bool has_note(const Task& task, const char* name) {
  return std::any_of(task.notes.begin(), task.notes.end(), [&](const auto& note) { return note.first == name; });
}

void check_metrics(const Task& task, const std::string& where) {
  require(!task.metrics.empty(), where, "no metrics", "list at least one");
  for (const std::string& name : task.metrics) {
    std::string allowed;
    for (const Metric& known : metrics())
      if (known.kind == task.kind) allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", known.name);
    if (find_metric(name, task.kind) == nullptr)
      throw bad_input(fmt::format("{}: a {} task has no metric {}", where, kind_name(task.kind), name), "allowed: " + allowed);
    const bool needs_gold = name == "acc" || name == "acc_norm" || name == "acc_bytes";
    require(task.kind != Kind::kChoice || !needs_gold || task.gold.label || !task.gold.sum.empty(), where, "accuracy needs gold",
            "gold is a text with the right choice's label, or its number from 0");
    const bool needs_condition = name.rfind("acc_ambig", 0) == 0 || name.rfind("acc_disambig", 0) == 0;
    const bool needs_roles = name.rfind("bias_", 0) == 0;
    require((!needs_condition && !needs_roles) || has_note(task, "condition"), where, "the metrics of BBQ need the note condition",
            "add [notes] with condition = a text that is ambig or disambig");
    for (const char* note : {"polarity", "groups", "names", "stereotyped"})
      require(!needs_roles || has_note(task, note), where, "the bias scores of BBQ need more notes",
              "add [notes] with polarity, groups, names and stereotyped, as `spectra eval --describe bbq` has them");
    require(name != "mc2" || task.true_labels, where, "mc2 needs true_labels", "a list with 1 for each choice that is true");
  }
}

}  // namespace

void check_task(const Task& task, const std::string& where) {
  require(!task.name.empty(), where, "no name", "give the task a name");
  require(!task.split.empty() || !task.search, where, "no split", "say which split is scored: test, validation, ...");
  require(!task.columns.empty(), where, "no [[columns]]", "say where the task's fields are in a record of the data file");
  check_kind(task, where);
  check_metrics(task, where);
  check_fields(task, where);
}

}  // namespace spectra::eval
