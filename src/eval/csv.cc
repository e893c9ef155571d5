// SPDX-License-Identifier: Apache-2.0
#include "eval/csv.h"

#include "base/error.h"

namespace spectra::eval {
namespace {

class Parser {
 public:
  Parser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  bool at_end() const { return at_ >= text_.size(); }
  bool skip_empty_line() { return line_break(); }

  CsvRow row() {
    CsvRow row{line_, {}};
    do row.fields.push_back(at_ < text_.size() && text_[at_] == '"' ? quoted() : plain());
    while (comma());
    if (!at_end() && !line_break())
      throw bad_input(fmt::format("{}:{}: text after a closing quote", where_, line_), "a quote inside quotes is written twice");
    return row;
  }

 private:
  bool comma() {
    if (at_end() || text_[at_] != ',') return false;
    ++at_;
    return true;
  }
  bool line_break() {
    const size_t width = at_end() ? 0 : text_[at_] == '\n' ? 1 : text_.substr(at_, 2) == "\r\n" ? 2 : 0;
    at_ += width;
    line_ += width > 0;
    return width > 0;
  }
  std::string plain() {
    const size_t begin = at_;
    while (!at_end() && text_[at_] != ',' && text_[at_] != '\n') ++at_;
    size_t end = at_;
    if (!at_end() && text_[at_] == '\n' && end > begin && text_[end - 1] == '\r') at_ = --end;
    return std::string(text_.substr(begin, end - begin));
  }
  std::string quoted() {
    const int64_t begin = line_;
    std::string field;
    for (++at_; !at_end(); ++at_) {
      if (text_[at_] == '"' && text_.substr(at_, 2) != "\"\"") {
        ++at_;
        return field;
      }
      if (text_[at_] == '"') ++at_;
      line_ += text_[at_] == '\n';
      field += text_[at_];
    }
    throw bad_input(fmt::format("{}:{}: a quote that does not close", where_, begin), "expected CSV as RFC 4180 has it");
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace

std::vector<CsvRow> parse_csv(std::string_view text, const std::string& where, size_t most) {
  Parser parser(text, where);
  std::vector<CsvRow> rows;
  while (!parser.at_end() && rows.size() < most)
    if (!parser.skip_empty_line()) rows.push_back(parser.row());
  return rows;
}

}  // namespace spectra::eval
