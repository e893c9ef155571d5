// SPDX-License-Identifier: Apache-2.0
#include "eval/text_layouts.h"

#include <algorithm>

#include "base/error.h"
#include "eval/python_text.h"

namespace spectra::eval {
namespace {

Texts split_lines(std::string_view text) {
  Texts lines;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

void drop_carriage_returns(Texts& lines) {
  for (std::string& line : lines)
    if (!line.empty() && line.back() == '\r') line.pop_back();
}

/// The loader's repair of sentences that run into each other.
std::string logiqa_text(std::string_view text) { return std::string(strip(replace_all(text, ".", ". "))); }

std::vector<Record> read_logiqa(const std::string& file, const std::string& text) {
  constexpr size_t kLines = 7;  // letter, context, question, four options
  Texts lines = split_lines(text);
  drop_carriage_returns(lines);
  std::vector<Record> records;
  for (size_t at = 0; at < lines.size(); ++at) {
    if (strip(lines[at]).empty()) continue;
    const std::string where = fmt::format("{}:{}", file, at + 1);
    const std::string label(strip(lines[at]));
    if (label.size() != 1 || label[0] < 'a' || label[0] > 'd')
      throw bad_input(fmt::format("{}: \"{}\" where a record begins", where, label.substr(0, 40)),
                      "expected the right answer's letter, a to d, then context, question and four options, a line each");
    size_t end = at + 1;
    while (end < lines.size() && !strip(lines[end]).empty()) ++end;
    if (end - at != kLines)
      throw bad_input(fmt::format("{}: a record of {} lines, expected {}", where, end - at, kLines),
                      "a record is letter, context, question and four options, a line each; an empty line ends it");
    Texts options;
    for (size_t i = at + 3; i < end; ++i) {
      const size_t dot = std::min(lines[i].find('.'), lines[i].size());
      if (dot != 1)
        throw bad_input(fmt::format("{}:{}: option \"{}\"", file, i + 1, lines[i].substr(0, 40)), "expected \"A.\" before it");
      options.push_back(logiqa_text(std::string_view(lines[i]).substr(2)));
    }
    Record record{{}, where};
    record.fields["label"] = label;
    record.fields["context"] = logiqa_text(lines[at + 1]);
    record.fields["question"] = logiqa_text(lines[at + 2]);
    record.fields["options"] = options;
    records.push_back(std::move(record));
    at = end;
  }
  return records;
}

std::vector<Record> read_hellaswag(const std::string& file, const std::string& text) {
  constexpr size_t kLines = 6;
  Texts lines = split_lines(text);
  drop_carriage_returns(lines);
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  std::vector<Record> records;
  for (size_t at = 0; at < lines.size(); at += kLines) {
    if (at + kLines > lines.size())
      throw bad_input(fmt::format("{}:{}: the last record has {} lines, expected {}", file, at + 1, lines.size() - at, kLines),
                      "a record is query, label and four endings, a line each");
    Record record{{}, fmt::format("{}:{}", file, at + 1)};
    record.fields["query"] = lines[at];
    record.fields["label"] = lines[at + 1];
    record.fields["endings"] =
        Texts(lines.begin() + static_cast<ptrdiff_t>(at) + 2, lines.begin() + static_cast<ptrdiff_t>(at + kLines));
    records.push_back(std::move(record));
  }
  return records;
}

bool begins_page(const std::string& line) {
  const std::string joined = replace_all(replace_all(line, "= = =", "==="), "= =", "==");
  const std::string_view bare = strip(joined);
  return bare.size() >= 4 && bare.substr(0, 2) == "= " && bare.substr(bare.size() - 2) == " =";
}

/// As the harness's loader: a page is its lines, joined again.
std::vector<Record> read_pages(const std::string& file, const std::string& text) {
  std::vector<Record> records;
  std::string page;
  int64_t number = 0, begin = 1;
  const auto add = [&](bool last) {
    if (last || !strip(page).empty()) {
      records.push_back({{}, fmt::format("{}:{}", file, begin)});
      records.back().fields["page"] = page;
    }
    page.clear();
  };
  bool first = true;
  for (const std::string& line : split_lines(text)) {
    ++number;
    if (begins_page(line)) {
      add(false);
      begin = number;
      first = true;
    }
    if (!first) page += '\n';
    page += line;
    first = false;
  }
  if (!strip(page).empty()) add(true);
  return records;
}

}  // namespace

bool fits_layout(const std::string& layout, std::string_view text) {
  const Texts lines = split_lines(text.substr(0, std::min<size_t>(text.size(), size_t{1} << 16)));
  if (layout == "logiqa") {
    const auto first = std::find_if(lines.begin(), lines.end(), [](const std::string& line) { return !strip(line).empty(); });
    return first != lines.end() && lines.end() - first >= 7 && strip(*first).size() == 1 && first[3].substr(0, 2) == "A.";
  }
  if (layout == "hellaswag-lines")
    return lines.size() > 6 && strip(lines[1]).size() == 1 && strip(lines[1])[0] >= '0' && strip(lines[1])[0] <= '3';
  if (layout == "pages") return std::any_of(lines.begin(), lines.end(), begins_page);
  return true;
}

std::vector<Record> read_layout(const std::string& layout, const std::string& file, const std::string& text) {
  if (layout == "logiqa") return read_logiqa(file, text);
  if (layout == "hellaswag-lines") return read_hellaswag(file, text);
  if (layout == "pages") return read_pages(file, text);
  std::vector<Record> one(1, Record{{}, file + ":1"});
  one[0].fields["text"] = text;
  return one;
}

std::vector<Record> join_pages(const std::string& file, const std::vector<Record>& records) {
  std::string text;
  for (const Record& record : records) text += std::get<std::string>(record.fields.at("page"));
  return read_pages(file, text);
}

}  // namespace spectra::eval
