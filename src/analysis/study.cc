// SPDX-License-Identifier: Apache-2.0
#include "analysis/study.h"

#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace spectra::analysis {
namespace {

using nlohmann::json;

constexpr const char* kSchema = "spectra.suite/1";

/// A JSON value and where it lies, so that every complaint can name its place.
struct Node {
  const json& value;
  std::string place;

  [[noreturn]] void complain(const std::string& what) const {
    throw bad_input(fmt::format("{}: {}", place, what),
                    "the file is written by `spectra suite`; continue the suite with --resume to have it written again");
  }
  bool has(const char* key) const { return value.contains(key) && !value.at(key).is_null(); }
  Node at(const char* key) const {
    if (!value.is_object()) complain(fmt::format("{} where an object belongs", value.type_name()));
    if (!value.contains(key)) complain(fmt::format("\"{}\" is missing", key));
    return {value.at(key), place + (place.back() == ' ' ? "" : ".") + key};
  }
  std::string text(const char* key) const {
    const Node node = at(key);
    if (!node.value.is_string()) node.complain(fmt::format("{} where a string belongs", node.value.type_name()));
    return node.value.get<std::string>();
  }
  std::string text_or_empty(const char* key) const { return has(key) ? text(key) : ""; }
  /// NaN where absent or null.
  double number(const char* key) const {
    if (!has(key)) return kUnknown;
    const Node node = at(key);
    if (!node.value.is_number()) node.complain(fmt::format("{} where a number belongs", node.value.type_name()));
    return node.value.get<double>();
  }
  int64_t integer(const char* key, int64_t otherwise) const {
    if (!has(key)) return otherwise;
    const Node node = at(key);
    if (!node.value.is_number_integer()) node.complain("not a whole number");
    return node.value.get<int64_t>();
  }
  bool truth(const char* key) const {
    const Node node = at(key);
    if (!node.value.is_boolean()) node.complain(fmt::format("{} where true or false belongs", node.value.type_name()));
    return node.value.get<bool>();
  }
  void each(const char* key, const std::function<void(const Node&)>& visit) const {
    if (!has(key)) return;
    const Node list = at(key);
    if (!list.value.is_array()) list.complain(fmt::format("{} where a list belongs", list.value.type_name()));
    for (size_t i = 0; i < list.value.size(); ++i) visit({list.value[i], fmt::format("{}[{}]", list.place, i)});
  }
  void each_entry(const char* key, const std::function<void(const std::string&, const Node&)>& visit) const {
    if (!has(key)) return;
    const Node table = at(key);
    if (!table.value.is_object()) table.complain(fmt::format("{} where an object belongs", table.value.type_name()));
    for (const auto& [name, entry] : table.value.items()) visit(name, {entry, table.place + "." + name});
  }
};

constexpr const char* kErrorSuffix = "_stderr";

/// {"acc": 0.5, "acc_stderr": 0.01, "n": 100} -> acc.
std::map<std::string, StudyScore> parse_scores(const Node& task) {
  if (!task.value.is_object()) task.complain(fmt::format("{} where an object belongs", task.value.type_name()));
  std::map<std::string, StudyScore> scores;
  const double documents = task.number("n");
  for (const auto& [key, value] : task.value.items()) {
    if (key == "n" || key == "fewshot" || !value.is_number()) continue;
    if (key.size() > 7 && key.compare(key.size() - 7, 7, kErrorSuffix) == 0) continue;
    scores[key] = {value.get<double>(), task.number((key + kErrorSuffix).c_str()), documents};
  }
  return scores;
}

StudyModel parse_model(const Node& node, const fs::path& directory) {
  StudyModel model;
  model.name = node.text("name");
  model.size = node.text("size");
  model.arm = node.text_or_empty("arm");
  try {
    model.family = model::family_from_name(node.text("family"));
  } catch (const Error& error) {
    node.at("family").complain(error.what());
  }
  model.quantized_bits = static_cast<int>(node.integer("quantized_bits", 0));
  model.seed = node.integer("seed", 0);
  model.shards = node.integer("shards", 1);
  model.parameters = node.number("parameters");
  model.linear_parameters = node.number("linear_parameters");
  model.bits_per_weight = node.number("bits_per_weight");
  model.size_bits = node.number("size_bits");
  model.disk_bytes = node.number("disk_bytes");
  model.tokens = node.number("tokens");
  model.training_loss = node.number("training_loss");
  model.validation_loss = node.number("validation_loss");
  model.validation_tokens = node.number("validation_tokens");
  if (node.has("model")) model.model = directory / node.text("model");
  if (node.has("run")) model.run = directory / node.text("run");
  model.parent = node.text_or_empty("parent");
  node.each_entry("tasks", [&](const std::string& task, const Node& scores) { model.tasks[task] = parse_scores(scores); });
  node.each_entry("texts", [&](const std::string& text, const Node& entry) {
    model.texts[text] = {entry.number("nll"), entry.number("perplexity"), entry.number("tokens")};
  });
  return model;
}

void parse_study(Study& study, const Node& root) {
  if (root.text("schema") != kSchema)
    root.at("schema").complain(fmt::format("\"{}\", this version reads \"{}\"", root.text("schema"), kSchema));
  study.name = root.text("name");
  study.title = root.text_or_empty("title");
  study.suite_sha256 = root.text_or_empty("suite_sha256");
  study.version = root.text_or_empty("version");
  study.machine = root.text_or_empty("machine");
  study.started = root.text_or_empty("started");
  study.command = root.text_or_empty("command");
  study.seconds = root.number("seconds");
  study.finished = root.truth("finished");
  root.each("data", [&](const Node& node) {
    study.data.push_back({node.text("path"), node.text_or_empty("sha256"), node.number("vocab"), node.number("train_tokens"),
                          node.number("valid_tokens")});
  });
  root.each("jobs", [&](const Node& node) {
    study.jobs.push_back({node.text("name"), node.text("kind"), node.text("state"), node.text_or_empty("command"),
                          node.number("seconds"), node.number("flops")});
  });
  root.each("models", [&](const Node& node) { study.models.push_back(parse_model(node, study.directory)); });
}

/// Its results.json may be named instead.
fs::path directory_of(const fs::path& path) {
  if (path.filename() != "results.json") return path;
  return path.has_parent_path() ? path.parent_path() : ".";
}

}  // namespace

bool is_study(const fs::path& path) { return fs::exists(directory_of(path) / "results.json"); }

Study read_study(const fs::path& given) {
  const fs::path directory = directory_of(given);
  const fs::path path = directory / "results.json";
  json document;
  try {
    document = json::parse(read_file(path));
  } catch (const json::exception& error) {
    throw bad_input(fmt::format("{}: {}", path.string(), error.what()), "the file is written by `spectra suite`");
  }
  Study study;
  study.given = directory;
  study.directory = fs::absolute(directory).lexically_normal();
  parse_study(study, {document, path.string() + ", "});
  return study;
}

}  // namespace spectra::analysis
