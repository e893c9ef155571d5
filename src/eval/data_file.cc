// SPDX-License-Identifier: Apache-2.0
#include "eval/data_file.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "eval/csv.h"
#include "eval/json_columns.h"
#include "eval/text_layouts.h"
#include "text/decompress.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace spectra::eval {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kLargestFile = size_t{4} << 30;
/// In which a first record is looked for, at first and at most.
constexpr size_t kPeekBytes = size_t{1} << 16, kLargestPeek = size_t{1} << 28;

struct Line {
  int64_t number;
  std::string_view text;
};
/// Lines that are not white space alone.
std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> lines;
  int64_t number = 1;
  for (size_t begin = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) lines.push_back({number, line});
    begin = end + 1;
  }
  return lines;
}

/// No deeper than 64 levels: what walks through a value (a copy, a message) calls itself for each.
Json parse_bounded(std::string_view text, const std::string& where) {
  return Json::parse(text.begin(), text.end(), [&](int depth, Json::parse_event_t, Json&) {
    if (depth > 64) throw bad_input(where + ": JSON nested deeper than 64 levels", "expected records of texts, numbers and lists");
    return true;
  });
}

Json parse_object(std::string_view text, const std::string& where) {
  Json object;
  try {
    object = parse_bounded(text, where);
  } catch (const Json::exception& error) {
    std::string reason = error.what();
    if (const size_t end = reason.find("] "); end != std::string::npos) reason.erase(0, end + 2);
    throw bad_input(fmt::format("{}: not valid JSON: {}", where, reason), "expected one JSON object");
  }
  if (!object.is_object()) throw bad_input(fmt::format("{}: expected a JSON object, found {}", where, object.type_name()));
  return object;
}

std::string_view without_bom(std::string_view text) { return text.substr(text.substr(0, 3) == "\xEF\xBB\xBF" ? 3 : 0); }

/// The first {...} of a list; empty where the text ends before it does. Throws Error where there is none.
std::string_view first_object(std::string_view text, const std::string& rows) {
  size_t begin = 0;
  if (!rows.empty()) {
    begin = text.find(fmt::format("\"{}\"", rows));
    if (begin == std::string_view::npos) throw bad_input(fmt::format("no \"{}\"", rows));
    begin += rows.size() + 2;
  }
  begin = text.find_first_not_of(": \t\r\n", begin);
  if (begin == std::string_view::npos || text[begin] != '[') throw bad_input("no list of records");
  begin = text.find_first_not_of(" \t\r\n", begin + 1);
  if (begin == std::string_view::npos || text[begin] != '{') throw bad_input("the list does not begin with an object");
  int64_t depth = 0;
  bool quoted = false;
  for (size_t i = begin; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[i] == '{') {
      ++depth;
    } else if (!quoted && text[i] == '}' && --depth == 0) {
      return text.substr(begin, i + 1 - begin);
    }
  }
  return {};
}

/// "high_school_physics" of "high_school_physics_test.csv".
std::string part_name(const fs::path& path) {
  const std::string stem = data_stem(path);
  return stem.substr(0, stem.rfind('_'));
}

Json csv_object(const Texts& header, const CsvRow& row, const std::string& where) {
  if (row.fields.size() != header.size())
    throw bad_input(fmt::format("{}: {} fields, expected {}", where, row.fields.size(), header.size()),
                    "the first line, or the task, names the columns");
  Json object;
  for (size_t i = 0; i < header.size(); ++i) object[header[i].empty() ? "index" : header[i]] = row.fields[i];
  return object;
}

/// Two columns of one name would hide each other.
void check_header(const Texts& header, const std::string& name) {
  for (size_t i = 0; i < header.size(); ++i)
    if (std::find(header.begin(), header.begin() + static_cast<ptrdiff_t>(i), header[i]) !=
        header.begin() + static_cast<ptrdiff_t>(i))
      throw bad_input(fmt::format("{}: two columns are named \"{}\"", name, header[i]), "every column needs a name of its own");
}

/// Calls found(object, where) for each record of a .jsonl, .json or .csv file.
template <class Found>
void for_each_object(const Columns& columns, const fs::path& path, const std::string& content, const Found& found) {
  const std::string name = path.string(), kind = data_extension(path);
  if (kind == "json") {
    const std::string hint =
        columns.rows.empty() ? "expected a list of objects" : fmt::format("expected it under \"{}\"", columns.rows);
    Json all;
    try {
      all = parse_bounded(content, name);
    } catch (const Json::exception& error) {
      throw bad_input(fmt::format("{}: not valid JSON: {}", name, error.what()), hint);
    }
    if (!columns.rows.empty()) all = all.is_object() && all.contains(columns.rows) ? Json(std::move(all[columns.rows])) : Json();
    if (!all.is_array()) throw bad_input(fmt::format("{}: no list of records", name), hint);
    for (size_t i = 0; i < all.size(); ++i) found(all[i], fmt::format("{}: record {}", name, i + 1));
  } else if (kind == "csv") {
    Texts header = columns.header;
    for (const CsvRow& row : parse_csv(content, name)) {
      if (header.empty())
        check_header(header = row.fields, name);
      else
        found(csv_object(header, row, fmt::format("{}:{}", name, row.line)), fmt::format("{}:{}", name, row.line));
    }
  } else {
    for (const Line& line : lines_of(content)) {
      const std::string where = fmt::format("{}:{}", name, line.number);
      found(parse_object(line.text, where), where);
    }
  }
}

/// Labels that lie in a file of their own, a line each.
void add_labels(const std::string& suffix, const fs::path& path, std::vector<Record>& records) {
  const fs::path beside = path.parent_path() / (data_stem(path) + suffix);
  if (!fs::exists(beside))
    throw bad_input(fmt::format("{}: there is no {}", path.string(), beside.string()),
                    "it holds the right answers, a line each, and comes from the same download");
  const std::string content = text::read_decompressed(beside);
  const std::vector<Line> lines = lines_of(content);
  if (lines.size() != records.size())
    throw bad_input(
        fmt::format("{}: {} labels, and {} has {} records", beside.string(), lines.size(), path.string(), records.size()),
        "both files must come from the same download");
  for (size_t i = 0; i < records.size(); ++i) {
    std::string label(lines[i].text);
    if (!label.empty() && label.back() == '\r') label.pop_back();
    records[i].fields["label"] = label;
  }
}

bool is_text_layout(const Columns& columns, const fs::path& path) {
  return !columns.layout.empty() && !(columns.layout == "pages" && data_extension(path) == "jsonl");
}

/// The beginning of a file: `bytes`, or all where it has fewer.
std::string read_beginning(const fs::path& path, size_t bytes) {
  const std::unique_ptr<text::ByteSource> source = text::ByteSource::open(path);
  std::string text(bytes, '\0');
  size_t size = 0;
  for (size_t count; size < bytes && (count = source->read(text.data() + size, bytes - size)) > 0;) size += count;
  text.resize(size);
  return text;
}

/// False where the record does not end in the text and `cut` says that the file goes on. Throws Error without the file's name.
bool check_beginning(const Columns& columns, const fs::path& path, std::string_view text, bool cut) {
  const std::string kind = data_extension(path), line = "the first record";
  if (is_text_layout(columns, path)) {
    if (kind == "jsonl" || kind == "json" || kind == "csv" || !fits_layout(columns.layout, text))
      throw bad_input(fmt::format("not a {} text", columns.layout));
    return true;
  }
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) throw bad_input("the file is empty");
  text.remove_prefix(begin);
  if (kind == "csv") {
    const std::vector<CsvRow> rows = parse_csv(text, "", 1);
    const Texts& header = columns.header.empty() ? rows[0].fields : columns.header;
    check_columns(columns, csv_object(header, rows[0], line), line);
    return true;
  }
  if (!columns.header.empty() || (kind != "jsonl" && kind != "json")) throw bad_input(fmt::format("a .{} file", kind));
  const size_t end = text.find('\n');
  const std::string_view record = kind == "json"                         ? first_object(text, columns.rows)
                                  : cut && end == std::string_view::npos ? std::string_view()
                                                                         : text.substr(0, end);
  if (record.empty() && cut) return false;
  check_columns(columns, parse_object(record, line), line);
  return true;
}

}  // namespace

std::string data_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  if (extension == ".gz" || extension == ".zst" || extension == ".bz2") extension = path.stem().extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (extension == ".ndjson") return "jsonl";
  return extension.empty() ? "" : extension.substr(1);
}

std::string data_stem(const fs::path& path) {
  const fs::path name = path.filename();
  const std::string last = name.extension().string();
  return (last == ".gz" || last == ".zst" || last == ".bz2" ? name.stem() : name).stem().string();
}

void check_first_record(const Columns& columns, const fs::path& path) {
  for (size_t bytes = kPeekBytes;; bytes *= 16) {
    const std::string text = read_beginning(path, bytes);
    if (check_beginning(columns, path, without_bom(text), text.size() == bytes && bytes < kLargestPeek)) return;
  }
}

std::vector<Record> read_records(const Task& task, const Columns& columns, const fs::path& path) {
  std::string content = text::read_decompressed(path, kLargestFile);
  content.erase(0, content.size() - without_bom(content).size());
  std::vector<Record> records;
  if (is_text_layout(columns, path)) {
    records = read_layout(columns.layout, path.string(), text::sanitize_utf8(content));
  } else {
    if (data_extension(path) == "csv" && !text::is_valid_utf8(content))
      throw bad_input(fmt::format("{}: not valid UTF-8", path.string()), "convert the file to UTF-8");
    for_each_object(columns, path, content, [&](const Json& object, const std::string& where) {
      records.push_back({{}, where});
      take_columns(columns, object, part_name(path), records.back());
    });
    if (columns.layout == "pages") records = join_pages(path.string(), records);
  }
  if (!columns.labels_file.empty()) add_labels(columns.labels_file, path, records);
  for (Record& record : records)
    for (const auto& [name, made] : task.fields)
      if (record.fields.count(name) == 0 && made.fits(record))
        record.fields[name] = made.has_list(record) ? Value(made.texts(record)) : Value(made.text(record));
  return records;
}

}  // namespace spectra::eval
