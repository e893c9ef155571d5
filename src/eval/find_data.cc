// SPDX-License-Identifier: Apache-2.0
#include "eval/find_data.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "base/error.h"
#include "base/nearest.h"
#include "eval/python_text.h"

namespace spectra::eval {
namespace {

constexpr size_t kMostFiles = 20'000;

std::string lower_ascii(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

/// Words of a file's name that say which split it is; where there are none, its folder, if that is named so. `name`: the path below
/// the directory that is searched, in lower case.
Texts split_words(const std::string& name) {
  static const Texts kKnown = {"train", "training", "test", "dev", "val", "valid", "validation", "eval"};
  Texts words;
  std::string word;
  for (const char c : data_stem(name) + ".") {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      word += c;
      continue;
    }
    if (std::find(kKnown.begin(), kKnown.end(), word) != kKnown.end()) words.push_back(word);
    word.clear();
  }
  const fs::path folder = fs::path(name).parent_path();
  const std::string last =
      folder.has_parent_path() ? folder.filename().string() : "";  // the searched directory itself tells nothing
  if (words.empty() && last != "eval" && std::find(kKnown.begin(), kKnown.end(), last) != kKnown.end()) words.push_back(last);
  return words;
}

bool is_split(const std::string& word, const std::string& split) {
  if (split == "validation") return word == "dev" || word == "val" || word == "valid" || word == "validation" || word == "eval";
  return word == split || (split == "train" && word == "training");
}

bool has_word(const std::string& name, const Texts& words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& w) { return name.find(lower_ascii(w)) != std::string::npos; });
}

/// test-00000-of-00002
bool is_shard(const fs::path& path) { return data_stem(path).find("-of-") != std::string::npos; }

/// "a.jsonl" and "a.jsonl.gz" in one directory would count every document twice, and so would a file that is named twice.
void require_distinct(const Task& task, const std::vector<fs::path>& paths) {
  std::map<fs::path, fs::path> seen;
  for (const fs::path& path : paths) {
    const auto [other, is_new] = seen.emplace(fs::canonical(path).parent_path() / data_stem(fs::canonical(path)), path);
    if (!is_new)
      throw bad_input(fmt::format("task {}: {} and {} are the same data", task.name, other->second.string(), path.string()),
                      "leave one of them out");
  }
}

/// Empty where the first record fits.
std::string why_not(const Columns& columns, const fs::path& path) {
  try {
    check_first_record(columns, path);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string describe(const Columns& columns) {
  if (!columns.layout.empty() && columns.layout != "pages") return columns.layout + " text";
  std::string names;
  for (const auto& path : columns.paths)
    for (const std::string& source : path.second)
      if (source[0] != '@') names += (names.empty() ? "" : ", ") + source.substr(0, source.find('|'));
  if (names.empty()) return columns.layout + " text";
  if (!columns.rows.empty()) return fmt::format("JSON with \"{}\": {}", columns.rows, names);
  return columns.header.empty() ? names : "CSV without names: " + names;
}

}  // namespace

DataFinder::DataFinder(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    if (equals != std::string::npos && !fs::exists(argument)) {
      const fs::path file = argument.substr(equals + 1);
      if (!fs::is_regular_file(file))
        throw bad_input(fmt::format("--data {}: there is no file {}", argument, file.string()), "give TASK=FILE, or a directory");
      named_[argument.substr(0, equals)].push_back(file);
      continue;
    }
    const fs::path directory = argument;
    if (!fs::is_directory(directory))
      throw bad_input(fmt::format("--data {}: there is no such directory", argument), "give a directory, or TASK=FILE");
    directories_.push_back(directory);
    const std::string own = fs::absolute(directory).lexically_normal().filename().string();
    for (const auto& entry : fs::recursive_directory_iterator(directory, fs::directory_options::skip_permission_denied)) {
      if (!entry.is_regular_file()) continue;
      static const Texts kKinds = {"jsonl", "json", "csv", "txt", "raw", "tokens"};
      if (std::find(kKinds.begin(), kKinds.end(), data_extension(entry.path())) == kKinds.end()) continue;
      files_.emplace_back(lower_ascii(own + "/" + fs::relative(entry.path(), directory).string()), entry.path());
      if (files_.size() > kMostFiles)
        throw bad_input(fmt::format("--data {}: more than {} files", argument, kMostFiles),
                        "give the directory of the data sets alone");
    }
  }
  std::sort(files_.begin(), files_.end());
  // A directory that is given twice, or lies in another one.
  std::set<fs::path> seen;
  const auto again = [&](const auto& file) { return !seen.insert(fs::canonical(file.second)).second; };
  files_.erase(std::remove_if(files_.begin(), files_.end(), again), files_.end());
}

std::vector<DataFinder::Found> DataFinder::candidates(const Task& task, const std::string& split, std::string& unread) const {
  std::vector<Found> found;
  for (const auto& [name, path] : files_) {
    const Texts words = split_words(name);
    const bool says_split = std::any_of(words.begin(), words.end(), [&](const std::string& w) { return is_split(w, split); });
    if (!task.search || (!words.empty() && !says_split)) continue;
    if (!task.name_has.empty() && !has_word(name, task.name_has)) continue;
    if (has_word(name, task.name_lacks)) continue;
    std::string reason;
    for (const Columns& columns : task.columns) {
      reason = why_not(columns, path);
      if (!reason.empty()) continue;
      found.push_back({&path, &columns, says_split});
      break;
    }
    // What is wrong with the file itself, and not with its columns, names it.
    if (reason.find(path.string()) != std::string::npos) unread += "\n  " + reason;
  }
  return found;
}

DataFiles DataFinder::named(const Task& task, const std::vector<fs::path>& paths) const {
  require_distinct(task, paths);
  std::string reasons, wanted;
  for (const Columns& columns : task.columns) {
    std::string reason;
    for (const fs::path& path : paths)
      if (reason.empty()) reason = why_not(columns, path);
    if (reason.empty()) return {&columns, paths};
    if (reasons.find(reason) == std::string::npos) reasons += (reasons.empty() ? "" : "; ") + reason;
    wanted += (wanted.empty() ? "" : "; or ") + describe(columns);
  }
  throw bad_input(fmt::format("{}: not the data of task {}: {}", paths[0].string(), task.name, reasons),
                  "expected a first record with " + wanted);
}

void DataFinder::check_names(const std::vector<const Task*>& tasks) const {
  for (const auto& given : named_) {
    Texts known;
    for (const Task* task : tasks)
      for (const std::string& name : {task->name, task->data_name})
        for (const std::string& split : {std::string(), ":" + task->split, ":" + task->fewshot_split})
          known.push_back(name + split);
    if (std::find(known.begin(), known.end(), given.first) != known.end()) continue;
    const std::string near = nearest(given.first, known);
    throw Error(Exit::kUsage, fmt::format("--data {}=...: no task of --tasks reads that", given.first),
                near.empty() ? "give TASK=FILE or TASK:SPLIT=FILE" : fmt::format("did you mean {}?", near));
  }
}

DataFiles DataFinder::find(const Task& task, const std::string& split) const {
  for (const std::string& key : {task.name + ":" + split, task.data_name + ":" + split})
    if (const auto given = named_.find(key); given != named_.end()) return named(task, given->second);
  if (split == task.split)
    for (const std::string& key : {task.name, task.data_name})
      if (const auto given = named_.find(key); given != named_.end()) return named(task, given->second);
  std::string unread;
  std::vector<Found> found = candidates(task, split, unread);
  if (found.empty()) fail(task, split, unread);
  // One spelling: of the file whose name says the split, if one does.
  if (std::any_of(found.begin(), found.end(), [](const Found& f) { return f.says_split; }))
    found.erase(std::remove_if(found.begin(), found.end(), [](const Found& f) { return !f.says_split; }), found.end());
  const Columns* columns = found.front().columns;
  const bool one_spelling = std::all_of(found.begin(), found.end(), [&](const Found& f) { return f.columns == columns; });
  const bool shards = std::all_of(found.begin(), found.end(), [](const Found& f) { return is_shard(*f.path); });
  if (found.size() > 1 && !(one_spelling && (task.many_files || shards))) {
    std::string names;
    for (size_t i = 0; i < std::min<size_t>(found.size(), 5); ++i) names += "\n  " + found[i].path->string();
    throw bad_input(fmt::format("task {}: {} files fit its {} split:{}", task.name, found.size(), split, names),
                    fmt::format("name the right one: --data {}=FILE", task.data_name));
  }
  DataFiles files{columns, {}};
  for (const Found& f : found) files.paths.push_back(*f.path);
  require_distinct(task, files.paths);
  return files;
}

void DataFinder::fail(const Task& task, const std::string& split, const std::string& unread) const {
  std::string wanted, places;
  for (const Columns& columns : task.columns) wanted += fmt::format("\n  {}", describe(columns));
  for (const fs::path& directory : directories_) places += (places.empty() ? "" : ", ") + directory.string();
  if (!task.name_has.empty()) {
    wanted += "\nin a file whose path contains";
    for (const std::string& word : task.name_has) wanted += fmt::format(" \"{}\"", word);
  }
  if (!unread.empty()) wanted += "\nthese could not be read:" + unread;
  const std::string where =
      places.empty() ? std::string("no directory was given") : fmt::format("{} data files below {}", files_.size(), places);
  const std::string hub = task.hub.empty() ? "" : fmt::format("it is published as {}; ", task.hub);
  throw bad_input(
      fmt::format("task {}: no data for its {} split ({}); looked for records with{}", task.name, split, where, wanted),
      fmt::format("{}give its directory with --data DIR, or the file with --data {}{}=FILE; docs/eval.md says how to convert "
                  "parquet files",
                  hub, task.data_name, split == task.split ? "" : ":" + split));
}

std::vector<Record> load_records(const Task& task, const std::string& split, const DataFinder& finder) {
  const DataFiles files = finder.find(task, split);
  std::vector<Record> records;
  for (const fs::path& path : files.paths) {
    std::vector<Record> more = read_records(task, *files.columns, path);
    if (more.empty())
      throw bad_input(fmt::format("{}: no records", path.string()), fmt::format("expected the {} split of {}", split, task.name));
    records.insert(records.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  return records;
}

}  // namespace spectra::eval
