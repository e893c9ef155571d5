// SPDX-License-Identifier: Apache-2.0
#include "text/chat/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include "text/chat/jinja/template.h"

namespace spectra::text::jinja {
namespace {

constexpr std::array<std::string_view, 5> kTwoSigns = {"==", "!=", "<=", ">=", "//"};
constexpr std::string_view kOneSigns = "+-*/%~<>=.,:|()[]{}";

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

class Scanner {
 public:
  explicit Scanner(std::string source) : s_(std::move(source)) {
    if (s_.ends_with('\n')) s_.pop_back();  // Jinja's default: the last line's end is not text
  }

  std::vector<Lexeme> run() {
    while (at_ < s_.size()) text();
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw TemplateError(fmt::format("line {}: {}", line_, what)); }
  bool is(std::string_view what) const { return s_.compare(at_, what.size(), what) == 0; }
  void advance(size_t count) {
    line_ += static_cast<int>(
        std::count(s_.begin() + static_cast<ptrdiff_t>(at_), s_.begin() + static_cast<ptrdiff_t>(at_ + count), '\n'));
    at_ += count;
  }

  /// Reads the text up to the next tag, and that tag.
  void text() {
    size_t tag = at_;
    do {
      tag = s_.find('{', tag);
    } while (tag != std::string::npos &&
             (tag + 1 >= s_.size() || std::string_view("{%#").find(s_[tag + 1]) == std::string_view::npos) && ++tag);
    const size_t end = tag == std::string::npos ? s_.size() : tag;
    std::string between = s_.substr(at_, end - at_);
    const bool strip = tag != std::string::npos && tag + 2 < s_.size() && s_[tag + 2] == '-';
    if (strip)
      while (!between.empty() && is_space(between.back())) between.pop_back();
    else if (tag != std::string::npos && s_[tag + 1] != '{')
      strip_indent(between);
    if (!between.empty()) out_.push_back({Kind::kText, between, line_});
    advance(end - at_);
    if (tag == std::string::npos) return;
    s_[tag + 1] == '#' ? comment() : tag_lexemes();
  }

  /// Removes blanks between the beginning of a line and a block, as lstrip_blocks wants.
  void strip_indent(std::string& text) const {
    const size_t last = text.find_last_not_of(" \t");
    const bool begins_line = last == std::string::npos ? (out_.empty() || after_newline_) : text[last] == '\n';
    if (begins_line) text.resize(last == std::string::npos ? 0 : last + 1);
  }

  void comment() {
    const size_t end = s_.find("#}", at_);
    if (end == std::string::npos) fail("a comment does not end");
    const bool strip = s_[end - 1] == '-';
    advance(end + 2 - at_);
    after_tag(strip, true);
  }

  void tag_lexemes() {
    const bool block = s_[at_ + 1] == '%';
    out_.push_back({Kind::kBegin, block ? "{%" : "{{", line_});
    advance(2);
    if (is("-") || is("+")) advance(1);
    const std::string_view close = block ? "%}" : "}}";
    int braces = 0;
    for (;;) {
      while (at_ < s_.size() && is_space(s_[at_])) advance(1);
      if (at_ >= s_.size()) fail("a tag does not end");
      const bool strip = is("-") && s_.compare(at_ + 1, 2, close) == 0;
      if (braces == 0 && (strip || is(close))) {
        advance(strip ? 3 : 2);
        out_.push_back({Kind::kEnd, std::string(close), line_});
        return after_tag(strip, block);
      }
      if (is("{")) ++braces;
      if (is("}")) --braces;
      lexeme();
    }
  }

  /// Skips white space that a "-" takes away, or the line's end after a block, as trim_blocks wants.
  void after_tag(bool strip, bool block) {
    after_newline_ = false;
    if (strip) {
      while (at_ < s_.size() && is_space(s_[at_])) advance(1);
    } else if (block && is("\n")) {
      advance(1);
      after_newline_ = true;
    }
  }

  void lexeme() {
    const char c = s_[at_];
    if (c == '"' || c == '\'') return string(c);
    size_t end = at_;
    if (is_digit(c)) {
      while (end < s_.size() && (is_digit(s_[end]) || (s_[end] == '.' && end + 1 < s_.size() && is_digit(s_[end + 1])))) ++end;
      return push(Kind::kNumber, end - at_);
    }
    if (is_name(c)) {
      while (end < s_.size() && is_name(s_[end])) ++end;
      return push(Kind::kName, end - at_);
    }
    for (const std::string_view sign : kTwoSigns)
      if (is(sign)) return push(Kind::kSign, 2);
    if (kOneSigns.find(c) == std::string_view::npos) fail(fmt::format("\"{}\" is not understood", c));
    push(Kind::kSign, 1);
  }

  void push(Kind kind, size_t size) {
    out_.push_back({kind, s_.substr(at_, size), line_});
    advance(size);
  }

  void string(char quote) {
    std::string value;
    const int line = line_;
    for (advance(1);; advance(1)) {
      if (at_ >= s_.size()) fail("a string does not end");
      if (s_[at_] == quote) break;
      if (s_[at_] == '\\' && at_ + 1 < s_.size()) {
        advance(1);
        const char c = s_[at_];
        value += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
      } else {
        value += s_[at_];
      }
    }
    advance(1);
    out_.push_back({Kind::kString, value, line});
  }

  std::string s_;
  size_t at_ = 0;
  int line_ = 1;
  bool after_newline_ = false;  // trim_blocks took the end of a line before at_
  std::vector<Lexeme> out_;
};

}  // namespace

std::vector<Lexeme> scan(const std::string& source) { return Scanner(source).run(); }

}  // namespace spectra::text::jinja
