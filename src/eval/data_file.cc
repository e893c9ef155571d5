// SPDX-License-Identifier: Apache-2.0
#include "eval/data_file.h"

#include <algorithm>
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
constexpr size_t kPeekBytes = size_t{1} << 20;

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

Json parse_object(std::string_view text, const std::string& where) {
  Json object;
  try {
    object = Json::parse(text.begin(), text.end());
  } catch (const Json::exception& error) {
    std::string reason = error.what();
    if (const size_t end = reason.find("] "); end != std::string::npos) reason.erase(0, end + 2);
    throw bad_input(fmt::format("{}: not valid JSON: {}", where, reason), "expected one JSON object");
  }
  if (!object.is_object()) throw bad_input(fmt::format("{}: expected a JSON object, found {}", where, object.type_name()));
  return object;
}

/// The first {...} of a list; empty where the text ends before it does.
std::string_view first_object(std::string_view text, const std::string& rows) {
  size_t begin = rows.empty() ? 0 : text.find(fmt::format("\"{}\"", rows));
  if (begin == std::string_view::npos) return {};
  begin = text.find_first_not_of(": \t\r\n", rows.empty() ? 0 : begin + rows.size() + 2);
  if (begin == std::string_view::npos || text[begin] != '[') return {};
  begin = text.find('{', begin);
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

/// Calls found(object, where) for each record of a .jsonl, .json or .csv file.
template <class Found>
void for_each_object(const Columns& columns, const fs::path& path, const std::string& content, const Found& found) {
  const std::string name = path.string(), kind = data_extension(path);
  if (kind == "json") {
    const std::string hint =
        columns.rows.empty() ? "expected a list of objects" : fmt::format("expected it under \"{}\"", columns.rows);
    Json all;
    try {
      all = Json::parse(content);
    } catch (const Json::exception& error) {
      throw bad_input(fmt::format("{}: not valid JSON: {}", name, error.what()), hint);
    }
    if (!columns.rows.empty()) all = all.is_object() && all.contains(columns.rows) ? Json(all[columns.rows]) : Json();
    if (!all.is_array()) throw bad_input(fmt::format("{}: no list of records", name), hint);
    for (size_t i = 0; i < all.size(); ++i) found(all[i], fmt::format("{}: record {}", name, i + 1));
  } else if (kind == "csv") {
    Texts header = columns.header;
    for (const CsvRow& row : parse_csv(content, name)) {
      if (header.empty())
        header = row.fields;
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

}  // namespace

std::string data_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  if (extension == ".gz" || extension == ".zst" || extension == ".bz2") extension = path.stem().extension().string();
  if (extension == ".ndjson") return "jsonl";
  return extension.empty() ? "" : extension.substr(1);
}

std::string data_stem(const fs::path& path) {
  const std::string name = path.filename().string(), extension = data_extension(path);
  const size_t end =
      extension.empty()
          ? std::string::npos
          : name.rfind("." +
                       (extension == "jsonl" && name.find(".ndjson") != std::string::npos ? std::string("ndjson") : extension));
  return name.substr(0, end);
}

const std::string& FilePeek::content() const {
  if (content_) return *content_;
  const std::unique_ptr<text::ByteSource> source = text::ByteSource::open(path_);
  std::string& text = content_.emplace(kPeekBytes, '\0');
  size_t size = 0;
  for (size_t count; size < text.size() && (count = source->read(text.data() + size, text.size() - size)) > 0;) size += count;
  text.resize(size);
  return *content_;
}

bool FilePeek::fits(const Columns& columns) const {
  const std::string kind = data_extension(path_);
  if (is_text_layout(columns, path_))
    return kind != "jsonl" && kind != "json" && kind != "csv" && fits_layout(columns.layout, content());
  const std::string_view text = content();
  try {
    if (kind == "json") {
      const std::string_view object = first_object(text, columns.rows);
      return !object.empty() && columns.header.empty() && has_columns(columns, parse_object(object, ""));
    }
    if (kind == "csv") {
      const std::vector<CsvRow> rows = parse_csv(text, "", 1);
      if (rows.empty() || (!columns.header.empty() && rows[0].fields.size() != columns.header.size())) return false;
      return has_columns(columns, csv_object(columns.header.empty() ? rows[0].fields : columns.header, rows[0], ""));
    }
    if (kind != "jsonl" || !columns.header.empty()) return false;
    const size_t begin = text.find_first_not_of(" \t\r\n");
    return begin != std::string_view::npos &&
           has_columns(columns, parse_object(text.substr(begin, text.find('\n', begin) - begin), ""));
  } catch (const Error&) {
    return false;  // not a file of this kind at all
  }
}

std::vector<Record> read_records(const Task& task, const Columns& columns, const fs::path& path) {
  std::string content = text::read_decompressed(path, kLargestFile);
  if (content.compare(0, 3, "\xEF\xBB\xBF") == 0) content.erase(0, 3);
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
