// SPDX-License-Identifier: Apache-2.0
#include "eval/find_data.h"

#include <algorithm>

#include "base/error.h"
#include "eval/python_text.h"

namespace spectra::eval {
namespace {

constexpr size_t kMostFiles = 20'000;

std::string lower_ascii(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

/// Words of a file's name that say which split it is.
Texts split_words(const fs::path& path) {
  static const Texts kKnown = {"train", "training", "test", "dev", "val", "valid", "validation", "eval"};
  Texts words;
  std::string word;
  for (const char c : lower_ascii(data_stem(path)) + ".") {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      word += c;
      continue;
    }
    if (std::find(kKnown.begin(), kKnown.end(), word) != kKnown.end()) words.push_back(word);
    word.clear();
  }
  return words;
}

bool is_split(const std::string& word, const std::string& split) {
  if (split == "validation") return word == "dev" || word == "val" || word == "valid" || word == "validation" || word == "eval";
  return word == split || (split == "train" && word == "training");
}

enum class SplitMatch { kOther, kUnsaid, kSaid };
SplitMatch match_split(const fs::path& path, const std::string& split) {
  const Texts words = split_words(path);
  if (words.empty()) return SplitMatch::kUnsaid;
  return std::any_of(words.begin(), words.end(), [&](const std::string& w) { return is_split(w, split); }) ? SplitMatch::kSaid
                                                                                                           : SplitMatch::kOther;
}

bool has_word(const std::string& name, const Texts& words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& w) { return name.find(lower_ascii(w)) != std::string::npos; });
}

/// test-00000-of-00002
bool is_shard(const fs::path& path) { return data_stem(path).find("-of-") != std::string::npos; }

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
      files_.emplace_back(lower_ascii(own + "/" + fs::relative(entry.path(), directory).string()), FilePeek(entry.path()));
      if (files_.size() > kMostFiles)
        throw bad_input(fmt::format("--data {}: more than {} files", argument, kMostFiles),
                        "give the directory of the data sets alone");
    }
  }
  std::sort(files_.begin(), files_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
}

std::vector<DataFinder::Found> DataFinder::candidates(const Task& task, const std::string& split) const {
  std::vector<Found> found;
  if (!task.search) return found;
  for (const auto& [name, file] : files_) {
    if (match_split(file.path(), split) == SplitMatch::kOther) continue;
    if (!task.name_has.empty() && !has_word(name, task.name_has)) continue;
    if (has_word(name, task.name_lacks)) continue;
    for (const Columns& columns : task.columns)
      if (file.fits(columns)) {
        found.push_back({&file, &columns});
        break;
      }
  }
  return found;
}

DataFiles DataFinder::named(const Task& task, const std::vector<fs::path>& paths) const {
  for (const Columns& columns : task.columns)
    if (std::all_of(paths.begin(), paths.end(), [&](const fs::path& path) { return FilePeek(path).fits(columns); }))
      return {&columns, paths};
  std::string wanted;
  for (const Columns& columns : task.columns) wanted += (wanted.empty() ? "" : "; or ") + describe(columns);
  throw bad_input(fmt::format("{}: not the data of task {}", paths[0].string(), task.name),
                  "expected a first record with " + wanted);
}

DataFiles DataFinder::find(const Task& task, const std::string& split) const {
  for (const std::string& key : {task.name + ":" + split, task.data_name + ":" + split})
    if (const auto given = named_.find(key); given != named_.end()) return named(task, given->second);
  if (split == task.split)
    for (const std::string& key : {task.name, task.data_name})
      if (const auto given = named_.find(key); given != named_.end()) return named(task, given->second);
  std::vector<Found> found = candidates(task, split);
  if (found.empty()) fail(task, split);
  // One spelling: of the file whose name says the split, if one does.
  const auto says = [&](const Found& f) { return match_split(f.file->path(), split) == SplitMatch::kSaid; };
  if (std::any_of(found.begin(), found.end(), says))
    found.erase(std::remove_if(found.begin(), found.end(), [&](const Found& f) { return !says(f); }), found.end());
  const Columns* columns = found.front().columns;
  const bool one_spelling = std::all_of(found.begin(), found.end(), [&](const Found& f) { return f.columns == columns; });
  const bool shards = std::all_of(found.begin(), found.end(), [](const Found& f) { return is_shard(f.file->path()); });
  if (found.size() > 1 && !(one_spelling && (task.many_files || shards))) {
    std::string names;
    for (size_t i = 0; i < std::min<size_t>(found.size(), 5); ++i) names += "\n  " + found[i].file->path().string();
    throw bad_input(fmt::format("task {}: {} files fit its {} split:{}", task.name, found.size(), split, names),
                    fmt::format("name the right one: --data {}=FILE", task.data_name));
  }
  DataFiles files{columns, {}};
  for (const Found& f : found) files.paths.push_back(f.file->path());
  return files;
}

void DataFinder::fail(const Task& task, const std::string& split) const {
  std::string wanted, places;
  for (const Columns& columns : task.columns) wanted += fmt::format("\n  {}", describe(columns));
  for (const fs::path& directory : directories_) places += (places.empty() ? "" : ", ") + directory.string();
  if (!task.name_has.empty()) {
    wanted += "\nin a file whose path contains";
    for (const std::string& word : task.name_has) wanted += fmt::format(" \"{}\"", word);
  }
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
