// SPDX-License-Identifier: Apache-2.0
#pragma once
// A task is data: one TOML file says where its documents come from, what the model is asked and what is measured. docs/eval.md is
// the reference of the keys.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval/template.h"

namespace spectra::eval {

enum class Kind : uint8_t {
  kChoice,   ///< log-likelihood of each choice after one prompt, or of one target after each of several prompts
  kTarget,   ///< log-likelihood of one target
  kRolling,  ///< log-likelihood of a whole text
  kGenerate  ///< greedy text, compared with answers
};
const char* kind_name(Kind kind);  ///< "choice", "target", "rolling", "generate"

/// One spelling of a data set: where the task's fields lie in a record of a file.
struct Columns {
  std::string layout;       ///< "" = told by the file's name (jsonl, json, csv); "logiqa", "hellaswag-lines", "pages", "whole"
  std::string rows;         ///< .json: key of the list of records; "" = the file is the list
  Texts header;             ///< .csv without a first line of names: what they are
  std::string labels_file;  ///< field "label" comes from a file beside it whose name ends so, a line a record
  std::vector<std::pair<std::string, Texts>> paths;  ///< field -> where; several make a list
};

/// What is the right choice.
struct Gold {
  std::optional<Template> label;       ///< a text that is found among the labels, or the index itself where there are none
  std::vector<Texts> labels;           ///< of each choice: all its spellings
  std::optional<Template> label_list;  ///< or a list in the record
  std::vector<Template> sum;           ///< or 1 where the sum of these numbers is above `above`, else 0
  double above = 0;
};

/// Parts of a task with scores of their own.
struct Subsets {
  std::optional<Template> of;  ///< the part a document belongs to
  bool prefix = false;         ///< the text only begins with the part's name
  bool separate = false;       ///< each is a task of its own (limit, examples); the whole is their mean, weighted by documents
  Texts names;                 ///< all parts
  std::vector<std::pair<std::string, Texts>> groups;
};

struct Task {
  std::string name, about;
  std::string data_name;  ///< of the data: the task itself, or the one it extends
  std::string hub;        ///< where the data is published
  Kind kind = Kind::kChoice;
  std::string split;
  int64_t documents = 0;  ///< that the split has; 0 = unknown

  Texts name_has, name_lacks;  ///< words of the file's path, where columns do not tell sets apart
  bool many_files = false;     ///< all files that fit, in the order of their names
  bool search = true;          ///< false: only a file that is named on the command line
  std::vector<Columns> columns;
  std::vector<std::pair<std::string, Template>> fields;  ///< made of others, in order, unless the file has them

  Template description;
  std::vector<Template> prompts;  ///< one, or one a choice
  std::vector<Template> choices;  ///< one a choice, or a single one that names a list
  bool choices_are_list = false;
  std::optional<Template> target;
  std::string delimiter = " ";
  Gold gold;
  std::optional<Template> true_labels;  ///< mc2: "1" for each choice that is true; those come first
  std::optional<Template> answers;      ///< a list: any of them is right
  Texts stop;
  int64_t max_tokens = 256;
  bool ignore_case = false, ignore_punctuation = false;
  std::optional<Template> text, original;  ///< what is scored, and what its words and bytes are counted in
  Texts metrics;
  std::vector<std::pair<std::string, Template>> notes;  ///< further texts that a metric reads
  Subsets subsets;

  std::string fewshot_split, fewshot_delimiter = "\n\n";
  bool fewshot_first = false;      ///< the first documents of the split; else drawn anew for each document
  std::optional<int64_t> fewshot;  ///< fixed

  std::optional<uint32_t> shuffle;  ///< seed: documents in the order of Python's shuffle
  int64_t repeat = 1;               ///< times every request is made
};

/// Parses a task. `where`: the file, for messages. Throws Error naming file and line: an unknown key, a wrong type, a field that no
/// column gives.
Task parse_task(const std::string& toml, const std::string& where);

/// Throws Error where the parts of a task do not fit together.
void check_task(const Task& task, const std::string& where);

/// Those that come with the program, by name.
std::vector<std::string> builtin_task_names();
/// Its TOML text. Throws Error (exit 2) naming the nearest one where there is none.
const std::string& builtin_task_text(const std::string& name);

/// A task that somebody asked for.
struct WantedTask {
  Task task;
  std::string name;  ///< as it was asked for: of the task, or with the part behind it
  Texts subsets;     ///< only these parts; empty = all
};
/// A built-in task by name, a part or group of one (NAME_PART), or a file of one's own where the name ends in .toml. Throws Error
/// (exit 2) naming the nearest one where there is none.
WantedTask load_task(const std::string& name);

}  // namespace spectra::eval
