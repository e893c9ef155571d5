// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "suite/suite.h"
#include "suite/toml_node.h"
#include "train/recipe_text.h"

namespace spectra::suite {
namespace {

constexpr int64_t kMany = int64_t{1} << 53;
const std::vector<std::string> kFamilies = {"float", "ternary", "binary"};

/// Sections of a recipe that a suite file may have at any level. Of the others [model] is for arms and sizes, [data] is the suite's
/// own.
const std::vector<std::string> kSections = {"train",  "schedule",   "optimizer", "loss_scale",
                                            "faults", "checkpoint", "log",       "validation"};

/// Names become parts of file names and of job names.
std::string take_name(Table& table) {
  std::string name;
  table.take("name", name);
  const bool good =
      !name.empty() && name.size() <= 64 && name[0] != '.' && name[0] != '-' && std::all_of(name.begin(), name.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
      });
  if (!good)
    throw bad_input(
        fmt::format("{}: {} = \"{}\" is not allowed", table.node("name") == nullptr ? table.origin() : table.node("name")->origin,
                    table.full("name"), name),
        "allowed: up to 64 letters, digits, '.', '_' and '-'; it becomes a part of file names");
  return name;
}

/// Adds a key of a recipe, checked by itself.
void add_setting(Settings& settings, const std::string& key, const Node& value) {
  train::Recipe scratch;
  train::find_key(key, value.origin);
  settings.push_back({key, value.single(), value.origin});
  train::set_key(scratch, key, value.text, value.origin);
}

void read_section(const Node& section, const std::string& name, Settings& settings) {
  for (const Node& value : section.list) add_setting(settings, fmt::format("{}.{}", name, value.key), value);
}

Settings read_sections(Table& table, bool with_model) {
  Settings settings;
  for (const std::string& section : kSections)
    if (const Node* found = table.table(section)) read_section(*found, section, settings);
  if (with_model)
    if (const Node* found = table.table("model")) read_section(*found, "model", settings);
  const auto not_free = [](const Setting& s) { return s.key == "model.family" || s.key == "train.seed" || s.key == "model.size"; };
  if (const auto bad = std::find_if(settings.begin(), settings.end(), not_free); bad != settings.end())
    throw bad_input(fmt::format("{}: {} cannot be set here", bad->origin, bad->key), "families, seeds and sizes say it");
  return settings;
}

Data read_data(Table table) {
  Data data;
  data.origin = table.origin();
  table.take("synthetic", data.synthetic, {"stories"});
  table.take("stories", data.stories, 100, kMany);
  table.take("seed", data.seed, 0, kMany);
  table.take("text", data.text);
  table.take("valid", data.valid);
  table.take("valid_fraction", data.valid_fraction, 0, 0.5);
  table.take("vocabulary", data.vocabulary, 257, 1'000'000);
  table.take("tokenizer", data.tokenizer);
  table.take("path", data.path);
  table.finish();
  // What the command line names takes the place of what the file names.
  const auto set = [&](const char* key) { return table.node(key) != nullptr && table.node(key)->origin == "--set"; };
  if (set("path")) data.synthetic.clear(), data.text.clear(), data.valid.clear(), data.valid_fraction = 0;
  if (set("text")) data.synthetic.clear(), data.path.clear();
  if (set("tokenizer")) data.vocabulary = 0;
  if (set("vocabulary")) data.tokenizer.clear();
  if (set("valid_fraction")) data.valid.clear();
  const int kinds = (data.synthetic.empty() ? 0 : 1) + (data.text.empty() ? 0 : 1) + (data.path.empty() ? 0 : 1);
  if (kinds != 1)
    throw bad_input(
        fmt::format("{}: data needs one of synthetic, text and path", data.origin),
        "synthetic = \"stories\", or text = [files] with valid or valid_fraction, or path = a directory of `spectra prepare`");
  if (data.text.empty() && (!data.valid.empty() || data.valid_fraction > 0))
    throw bad_input(fmt::format("{}: data.valid and data.valid_fraction are of text only", data.origin),
                    "remove them: stories and token data have a validation split of their own");
  if (!data.path.empty()) return data;
  if (data.tokenizer.empty() == (data.vocabulary == 0))
    throw bad_input(fmt::format("{}: data needs either vocabulary or tokenizer", data.origin),
                    "vocabulary = 1024 trains a tokenizer; tokenizer = a tokenizer.json or a directory with one");
  if (!data.text.empty() && data.valid.empty() == (data.valid_fraction == 0))
    throw bad_input(fmt::format("{}: data.text needs either valid or valid_fraction", data.origin),
                    "every model is measured on text that none was trained on");
  return data;
}

Size read_size(Table table) {
  Size size;
  size.origin = table.origin();
  size.name = take_name(table);
  for (const char* key : {"hidden", "glu", "heads", "kv_heads", "layers", "shards"})
    if (const Node* value = table.node(key)) add_setting(size.settings, fmt::format("model.{}", key), *value);
  if (size.settings.empty()) add_setting(size.settings, "model.size", *table.node("name"));
  if (const Node* lr = table.node("lr")) {
    if (lr->type == Node::Type::kTable) {
      Table by_family(*lr, table.full("lr"));
      for (const std::string& family : kFamilies)
        if (const Node* rate = by_family.node(family)) add_setting(size.of_family[family], "schedule.lr", *rate);
      by_family.finish();
    } else {
      add_setting(size.settings, "schedule.lr", *lr);
    }
  }
  table.finish();
  return size;
}

Arm read_arm(Table table, const Suite& suite) {
  Arm arm;
  arm.origin = table.origin();
  std::vector<std::string> names;
  for (const Size& size : suite.sizes) names.push_back(size.name);
  arm.name = take_name(table);
  table.take("family", arm.family, kFamilies);
  table.take("sizes", arm.sizes, names);
  arm.seeds = suite.seeds;
  table.take("seeds", arm.seeds, 0, kMany);
  if (arm.seeds.empty()) table.refuse("seeds", *table.node("seeds"), "at least one");
  arm.settings = read_sections(table, true);
  table.finish();
  if (arm.family.empty() || arm.sizes.empty())
    throw bad_input(fmt::format("{}: arm \"{}\" lacks {}", arm.origin, arm.name, arm.family.empty() ? "family" : "sizes"),
                    "an arm has name, family, sizes, and what it does otherwise, as [arm.schedule] lr_drop_at = 1");
  if (arm.settings.empty())
    throw bad_input(fmt::format("{}: arm \"{}\" does nothing otherwise", arm.origin, arm.name),
                    "set keys of a recipe, as [arm.schedule] lr_drop_at = 1");
  return arm;
}

Quantize read_quantize(Table table) {
  Quantize quantize;
  quantize.origin = table.origin();
  table.take("bits", quantize.bits, 3, 8);
  for (const int64_t bits : quantize.bits)
    if (bits == 5 || bits == 7) table.refuse("bits", *table.node("bits"), "3, 4, 6, 8");
  table.take("method", quantize.method, {"gptq", "gptaq", "rtn"});
  table.take("samples", quantize.samples, 1, 1 << 20);
  table.take("sequence", quantize.sequence, 2, 1 << 20);
  table.take("group_size", quantize.group_size, -1, 1 << 20);
  table.finish();
  return quantize;
}

Evaluate read_evaluate(Table table) {
  Evaluate evaluate;
  evaluate.origin = table.origin();
  table.take("tokens", evaluate.tokens, 1, kMany);
  table.take("tasks", evaluate.tasks);
  table.take("data", evaluate.data);
  table.take("texts", evaluate.texts);
  table.take("limit", evaluate.limit, 0, kMany);
  table.finish();
  return evaluate;
}

template <class Part>
void require_different_names(const std::vector<Part>& parts, const char* what) {
  for (size_t i = 0; i < parts.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (parts[i].name == parts[j].name)
        throw bad_input(fmt::format("{}: there are two {}s named \"{}\"", parts[i].origin, what, parts[i].name),
                        "give each a name of its own");
}

/// Name, families, seeds and threads.
void read_scope(Suite& suite, Table& table) {
  suite.name = take_name(table);
  suite.title = suite.name;
  table.take("title", suite.title);
  suite.families = {"float", "ternary"};
  table.take("families", suite.families, kFamilies);
  suite.seeds = {1};
  table.take("seeds", suite.seeds, 0, kMany);
  for (const char* key : {"families", "seeds"})
    if (const Node* list = table.node(key); list != nullptr && list->type == Node::Type::kList && list->list.empty())
      table.refuse(key, *list, "at least one");
  table.take("threads", suite.threads, 1, 4096);
  table.take("pack", suite.pack);
}

/// [family.NAME]: settings of the runs of one family.
void read_families(Suite& suite, const Node& found) {
  Table families(found, "family");
  for (const std::string& family : kFamilies)
    if (const Node* own = families.table(family)) {
      Table of_family(*own, "family." + family);
      suite.of_family[family] = read_sections(of_family, false);
      of_family.finish();
    }
  families.finish();
}

/// [quick]: the sizes and settings of --quick.
void read_quick(Suite& suite, const Node& found) {
  Table quick(found, "quick");
  std::vector<std::string> names;
  for (const Size& size : suite.sizes) names.push_back(size.name);
  quick.take("sizes", suite.quick_sizes, names);
  suite.quick_settings = read_sections(quick, false);
  quick.finish();
}

Suite read_suite(const Node& root, const fs::path& path) {
  Suite suite;
  suite.path = path;
  Table table(root, "");
  read_scope(suite, table);
  const Node* data = table.table("data");
  if (data == nullptr)
    throw bad_input(fmt::format("{}: [data] is missing", path.string()),
                    "synthetic = \"stories\" and vocabulary = 1024, for example");
  suite.data = read_data({*data, "data"});
  for (const Node& size : table.tables("size")) suite.sizes.push_back(read_size({size, "size"}));
  if (suite.sizes.empty())
    throw bad_input(fmt::format("{}: no [[size]]", path.string()), "give at least one, with name, hidden, glu, heads, layers");
  require_different_names(suite.sizes, "size");
  for (const Node& arm : table.tables("arm")) suite.arms.push_back(read_arm({arm, "arm"}, suite));
  require_different_names(suite.arms, "arm");
  if (const Node* found = table.table("quantize")) suite.quantize = read_quantize({*found, "quantize"});
  if (const Node* found = table.table("evaluate")) suite.evaluate = read_evaluate({*found, "evaluate"});
  if (const Node* found = table.table("family")) read_families(suite, *found);
  if (const Node* found = table.table("quick")) read_quick(suite, *found);
  suite.settings = read_sections(table, false);
  table.finish();
  return suite;
}

}  // namespace

Suite parse_suite(const std::string& toml, const fs::path& where, const std::vector<std::string>& settings) {
  Suite suite = read_suite(parse_toml(toml, where.string(), settings), where);
  suite.sha256 = sha256(toml + "\n" + fmt::format("{}", fmt::join(settings, "\n")));
  return suite;
}

Suite load_suite(const fs::path& path, const std::vector<std::string>& settings) {
  return parse_suite(read_file(path, 1 << 20), path, settings);
}

const Size& Suite::size(const std::string& wanted) const {
  const auto found = std::find_if(sizes.begin(), sizes.end(), [&](const Size& s) { return s.name == wanted; });
  SPECTRA_CHECK(found != sizes.end(), "size {}", wanted);
  return *found;
}

Settings run_settings(const Suite& suite, const std::string& family, const Size& size, int64_t seed, const Arm* arm, bool quick) {
  Settings all = {{"model.family", family, size.origin}, {"train.seed", fmt::format("{}", seed), size.origin}};
  const auto add = [&](const Settings& more) { all.insert(all.end(), more.begin(), more.end()); };
  const auto add_of = [&](const std::map<std::string, Settings>& by_family) {
    if (const auto found = by_family.find(family); found != by_family.end()) add(found->second);
  };
  add(suite.settings);
  add_of(suite.of_family);
  add(size.settings);
  add_of(size.of_family);
  if (quick) add(suite.quick_settings);
  if (arm != nullptr) add(arm->settings);
  return all;
}

}  // namespace spectra::suite
