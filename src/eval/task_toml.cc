// SPDX-License-Identifier: Apache-2.0
#include <toml++/toml.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/nearest.h"
#include "eval/task.h"

namespace spectra::eval {
namespace {

/// A table being read: what is asked for is ticked off, and what remains is unknown.
class Reader {
 public:
  Reader(const toml::table& table, std::string where) : table_(table), where_(std::move(where)) {}

  /// File and line of a key, or of the table where it has none of that name.
  std::string place(const char* key) const {
    const toml::node* node = table_.get(key);
    const toml::source_region& at = node == nullptr ? table_.source() : node->source();
    return fmt::format("{}:{}", at.path ? *at.path : where_, at.begin.line);
  }
  [[noreturn]] void fail(const char* key, const std::string& expected) const {
    throw bad_input(fmt::format("{}: {} is of the wrong type", place(key), key), "expected " + expected);
  }
  const toml::node* get(const char* key) {
    known_.insert(key);
    return table_.get(key);
  }
  bool has(const char* key) { return get(key) != nullptr; }

  void read(const char* key, std::string& value) {
    if (const toml::node* node = get(key)) {
      if (!node->is_string()) fail(key, "a text");
      value = node->as_string()->get();
    }
  }
  void read(const char* key, bool& value) {
    if (const toml::node* node = get(key)) {
      if (!node->is_boolean()) fail(key, "true or false");
      value = node->as_boolean()->get();
    }
  }
  void read(const char* key, int64_t& value, int64_t low, int64_t high) {
    if (const toml::node* node = get(key)) {
      if (!node->is_integer() || node->as_integer()->get() < low || node->as_integer()->get() > high)
        fail(key, fmt::format("a whole number from {} to {}", low, high));
      value = node->as_integer()->get();
    }
  }
  void read(const char* key, double& value) {
    if (const toml::node* node = get(key)) {
      if (!node->is_number()) fail(key, "a number");
      value = *node->value<double>();
    }
  }
  /// One text, or a list of them.
  void read(const char* key, Texts& value) {
    if (const toml::node* node = get(key)) value = texts_of(*node, key);
  }
  void read(const char* key, Template& value) {
    if (has(key)) value = Template(text(key), place(key));
  }
  void read(const char* key, std::optional<Template>& value) {
    if (has(key)) value = Template(text(key), place(key));
  }
  void read(const char* key, std::vector<Template>& value) {
    if (!has(key)) return;
    Texts sources;
    read(key, sources);
    value.clear();
    for (const std::string& source : sources) value.emplace_back(source, place(key));
  }
  bool is_list(const char* key) { return has(key) && table_.get(key)->is_array(); }

  Texts texts_of(const toml::node& node, const char* key) const {
    Texts result;
    if (node.is_string()) return {node.as_string()->get()};
    if (!node.is_array()) fail(key, "a text or a list of texts");
    for (const toml::node& element : *node.as_array()) {
      if (!element.is_string()) fail(key, "a text or a list of texts");
      result.push_back(element.as_string()->get());
    }
    return result;
  }
  std::optional<Reader> table(const char* key) {
    const toml::node* node = get(key);
    if (node == nullptr) return std::nullopt;
    if (!node->is_table()) fail(key, fmt::format("a table, [{}]", key));
    return Reader(*node->as_table(), where_);
  }
  std::vector<Reader> tables(const char* key) {
    std::vector<Reader> result;
    const toml::node* node = get(key);
    if (node == nullptr) return result;
    if (!node->is_array()) fail(key, fmt::format("tables, [[{}]]", key));
    for (const toml::node& element : *node->as_array()) {
      if (!element.is_table()) fail(key, fmt::format("tables, [[{}]]", key));
      result.emplace_back(*element.as_table(), where_);
    }
    return result;
  }
  /// Keys that were not asked for yet, in the order of the file.
  std::vector<const char*> rest() {
    std::vector<std::pair<toml::source_position, std::string>> keys;
    for (auto&& [key, node] : table_)
      if (known_.count(std::string(key.str())) == 0) keys.emplace_back(node.source().begin, key.str());
    std::sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<const char*> names;
    for (const auto& key : keys) names.push_back(table_.find(key.second)->first.data());
    return names;
  }
  void finish() {
    for (const char* key : rest()) {
      const std::string near = nearest(key, {known_.begin(), known_.end()});
      std::string all;
      for (const std::string& name : known_) all += (all.empty() ? "" : ", ") + name;
      throw bad_input(fmt::format("{}: unknown key {}", place(key), key),
                      near.empty() ? "known: " + all : "did you mean " + near + "?");
    }
  }

 private:
  std::string text(const char* key) {
    std::string value;
    read(key, value);
    return value;
  }
  const toml::table& table_;
  std::string where_;
  std::set<std::string> known_;
};

Kind kind_from_name(const std::string& name, const std::string& where) {
  for (const Kind kind : {Kind::kChoice, Kind::kTarget, Kind::kRolling, Kind::kGenerate})
    if (name == kind_name(kind)) return kind;
  throw bad_input(fmt::format("{}: kind \"{}\" is unknown", where, name), "allowed: choice, target, rolling, generate");
}

Columns read_columns(Reader reader) {
  Columns columns;
  reader.read("layout", columns.layout);
  reader.read("rows", columns.rows);
  reader.read("header", columns.header);
  reader.read("labels_file", columns.labels_file);
  static const Texts kLayouts = {"", "logiqa", "hellaswag-lines", "pages", "whole"};
  if (std::find(kLayouts.begin(), kLayouts.end(), columns.layout) == kLayouts.end())
    throw bad_input(fmt::format("{}: layout \"{}\" is unknown", reader.place("layout"), columns.layout),
                    "allowed: logiqa, hellaswag-lines, pages, whole; without it the file's name decides");
  for (const char* field : reader.rest()) {
    Texts paths;
    reader.read(field, paths);
    for (const std::string& path : paths) parse_filters(path, reader.place(field));
    columns.paths.emplace_back(field, paths);
  }
  return columns;
}

void read_files(Task& task, Reader reader) {
  reader.read("name_has", task.name_has);
  reader.read("name_lacks", task.name_lacks);
  reader.read("many", task.many_files);
  reader.read("search", task.search);
  reader.finish();
}

void read_templates(std::vector<std::pair<std::string, Template>>& to, Reader reader) {
  for (const char* name : reader.rest()) {
    Template value;
    reader.read(name, value);
    const auto same = std::find_if(to.begin(), to.end(), [&](const auto& other) { return other.first == name; });
    if (same != to.end())
      same->second = value;
    else
      to.emplace_back(name, value);
  }
}

void read_subsets(Subsets& subsets, Reader reader) {
  reader.read("of", subsets.of);
  reader.read("prefix", subsets.prefix);
  reader.read("separate", subsets.separate);
  reader.read("names", subsets.names);
  if (std::optional<Reader> groups = reader.table("groups")) {
    subsets.groups.clear();  // of a task that is extended
    if (!reader.has("names")) subsets.names.clear();
    for (const char* name : groups->rest()) {
      Texts parts;
      groups->read(name, parts);
      subsets.names.insert(subsets.names.end(), parts.begin(), parts.end());
      subsets.groups.emplace_back(name, std::move(parts));
    }
  }
  reader.finish();
  if (!subsets.of || subsets.names.empty())
    throw bad_input(fmt::format("{}: [subsets] lacks {}", reader.place(""), subsets.of ? "names or groups" : "of"),
                    "`of` names the field that tells parts apart, `names` or [subsets.groups] list the parts");
}

void read_gold(Task& task, Reader& reader) {
  Gold& gold = task.gold;
  reader.read("gold", gold.label);
  reader.read("gold_sum", gold.sum);
  reader.read("gold_above", gold.above);
  const toml::node* labels = reader.get("gold_labels");
  if (labels == nullptr) return;
  gold.labels.clear();
  gold.label_list.reset();
  if (labels->is_string()) return reader.read("gold_labels", gold.label_list);
  if (!labels->is_array()) reader.fail("gold_labels", "a list with the label, or a list of labels, of each choice");
  for (const toml::node& element : *labels->as_array()) gold.labels.push_back(reader.texts_of(element, "gold_labels"));
}

/// How examples before a document are chosen and joined.
void read_fewshot(Task& task, Reader& reader) {
  reader.read("fewshot_split", task.fewshot_split);
  reader.read("fewshot_delimiter", task.fewshot_delimiter);
  reader.read("fewshot_first", task.fewshot_first);
  int64_t number = -1;
  reader.read("fewshot", number, 0, 1000);
  if (number >= 0) task.fewshot = number;
  number = -1;
  reader.read("shuffle", number, 0, 0xFFFFFFFF);
  if (number >= 0) task.shuffle = static_cast<uint32_t>(number);
  reader.read("repeat", task.repeat, 1, 100);
}

/// The tables inside a task.
void read_tables(Task& task, Reader& reader) {
  if (std::optional<Reader> files = reader.table("files")) read_files(task, *files);
  const std::vector<Reader> spellings = reader.tables("columns");
  if (!spellings.empty()) task.columns.clear();
  for (const Reader& columns : spellings) task.columns.push_back(read_columns(columns));
  if (std::optional<Reader> fields = reader.table("fields")) read_templates(task.fields, *fields);
  if (std::optional<Reader> notes = reader.table("notes")) read_templates(task.notes, *notes);
  if (std::optional<Reader> subsets = reader.table("subsets")) read_subsets(task.subsets, *subsets);
}

void read_task(Task& task, Reader& reader) {
  reader.read("name", task.name);
  reader.read("about", task.about);
  reader.read("hub", task.hub);
  std::string kind = kind_name(task.kind);
  reader.read("kind", kind);
  task.kind = kind_from_name(kind, reader.place("kind"));
  reader.read("split", task.split);
  reader.read("documents", task.documents, 0, int64_t{1} << 40);
  reader.read("description", task.description);
  reader.read("prompt", task.prompts);
  reader.read("choices", task.choices);
  if (reader.has("choices")) task.choices_are_list = !reader.is_list("choices");
  reader.read("target", task.target);
  reader.read("delimiter", task.delimiter);
  read_gold(task, reader);
  reader.read("true_labels", task.true_labels);
  reader.read("answers", task.answers);
  reader.read("stop", task.stop);
  reader.read("max_tokens", task.max_tokens, 1, 1 << 20);
  reader.read("ignore_case", task.ignore_case);
  reader.read("ignore_punctuation", task.ignore_punctuation);
  reader.read("text", task.text);
  reader.read("original", task.original);
  reader.read("metrics", task.metrics);
  read_fewshot(task, reader);
  read_tables(task, reader);
  reader.get("extends");
  reader.finish();
}

toml::table parse(const std::string& text, const std::string& where) {
  try {
    return toml::parse(text, std::string_view(where));
  } catch (const toml::parse_error& error) {
    throw bad_input(fmt::format("{}:{}: {}", where, error.source().begin.line, error.description()), "a task is a TOML file");
  }
}

}  // namespace

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::kChoice:
      return "choice";
    case Kind::kTarget:
      return "target";
    case Kind::kRolling:
      return "rolling";
    case Kind::kGenerate:
      return "generate";
  }
  return "?";
}

Task parse_task(const std::string& toml, const std::string& where) {
  const toml::table table = parse(toml, where);
  Task task;
  if (const toml::node* extends = table.get("extends")) {
    if (!extends->is_string()) Reader(table, where).fail("extends", "the name of a task");
    const std::string& name = extends->as_string()->get();
    task = parse_task(builtin_task_text(name), name + ".toml");
    task.name.clear();
    if (table.contains("columns") || table.contains("files")) task.data_name.clear();
  }
  Reader reader(table, where);
  read_task(task, reader);
  if (task.data_name.empty()) task.data_name = task.name;
  check_task(task, where);
  return task;
}

}  // namespace spectra::eval
