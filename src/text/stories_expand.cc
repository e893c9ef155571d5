// SPDX-License-Identifier: Apache-2.0
#include "text/stories_expand.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "text/stories_grammar.h"

namespace spectra::text {

namespace {

/// <p> until tidy(): a line break in a rule is only a space.
constexpr char kParagraph = '\r';

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_space(char c) { return c == ' ' || c == '\n' || c == kParagraph; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }

/// The parts between the top-level bars of text[begin...], which follows a '['; `end` becomes the place of its ']'.
std::vector<std::string_view> alternatives(std::string_view text, size_t begin, size_t& end) {
  std::vector<std::string_view> parts;
  int depth = 0;
  for (size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '[') ++depth;
    if (depth == 0 && (c == '|' || c == ']')) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
    if (c == ']' && depth-- == 0) {
      end = i;
      return parts;
    }
  }
  SPECTRA_CHECK(false, "a [ is never closed in: {}", text);
  return parts;
}

class Expander {
 public:
  Expander(const Slots& slots, Rng& rng) : slots_(slots), rng_(rng) {}

  void add(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '[') {
        const auto parts = alternatives(text, i + 1, i);
        add(parts[rng_.below(parts.size())]);
      } else if (text[i] == '{') {
        add_slot(hole(text, i, '}'));
      } else if (text[i] == '<') {
        const std::string_view name = hole(text, i, '>');
        if (name == "p")
          out_ += kParagraph;
        else
          add(find_rule(name));
      } else {
        SPECTRA_CHECK(std::string_view("|]}>").find(text[i]) == std::string_view::npos, "a stray {} in: {}", text[i], text);
        out_ += text[i];
      }
    }
  }
  std::string take() { return std::move(out_); }

 private:
  static std::string_view hole(std::string_view text, size_t& i, char close) {
    const size_t end = text.find(close, i);
    SPECTRA_CHECK(end != std::string_view::npos, "no {} in: {}", close, text);
    const std::string_view name = text.substr(i + 1, end - i - 1);
    i = end;
    return name;
  }

  void add_slot(std::string_view name) {
    std::string key(name);
    key[0] = lower(key[0]);
    const auto slot = slots_.find(key);
    SPECTRA_CHECK(slot != slots_.end(), "no slot named {}", name);
    const size_t start = out_.size();
    add(slot->second);
    if (key[0] != name[0] && start < out_.size()) out_[start] = upper(out_[start]);
  }

  const Slots& slots_;
  Rng& rng_;
  std::string out_;
};

std::string single_spaces(std::string_view text) {
  std::string out;
  bool quoting = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!is_space(c)) {
      const bool clings = c == ',' || c == '.' || (c == '"' && quoting);  // to the word before an optional part that is missing
      if (clings && !out.empty() && out.back() == ' ') out.pop_back();
      if (c == '"') quoting = !quoting;
      out += c;
      continue;
    }
    bool paragraph = c == kParagraph;
    while (i + 1 < text.size() && is_space(text[i + 1])) paragraph |= text[++i] == kParagraph;
    const bool after_opening = quoting && !out.empty() && out.back() == '"';
    if (!out.empty() && !after_opening && i + 1 < text.size()) out += paragraph ? '\n' : ' ';
  }
  while (!out.empty() && is_space(out.back())) out.pop_back();
  return out;
}

void fix_articles(std::string& text) {
  for (size_t i = 0; i + 2 < text.size(); ++i) {
    const bool word = lower(text[i]) == 'a' && text[i + 1] == ' ' && (i == 0 || (!is_letter(text[i - 1]) && text[i - 1] != '\''));
    if (!word) continue;
    const std::string_view next = std::string_view(text).substr(i + 2);
    const bool silent_h = next.substr(0, 4) == "hour" || next.substr(0, 6) == "honest";
    if (silent_h || std::string_view("aeiou").find(lower(next[0])) != std::string_view::npos) text.insert(i + 1, 1, 'n');
  }
}

/// A sentence starts a paragraph or a quotation, or follows one that ended: in . ! ? or in a full stop inside a quotation.
bool starts_sentence(std::string_view text, size_t i) {
  if (i == 0 || text[i - 1] == '\n') return true;
  if (text[i - 1] == '"') return i == 1 || is_space(text[i - 2]);
  if (i < 3 || text[i - 1] != ' ') return false;
  const char mark = text[i - 2];
  return mark == '.' || mark == '!' || mark == '?' || (mark == '"' && text[i - 3] == '.');
}

void capitalise(std::string& text) {
  for (size_t i = 0; i < text.size(); ++i)
    if (starts_sentence(text, i)) text[i] = upper(text[i]);
}

}  // namespace

std::string_view find_rule(std::string_view name) {
  static const auto* const kRules = [] {
    auto* rules = new std::unordered_map<std::string_view, std::string_view>;
    for (const auto& part : {shared_rules(), thing_plots(), deed_plots(), day_plots()})
      for (const Rule& rule : part) SPECTRA_CHECK(rules->emplace(rule.name, rule.text).second, "two rules named {}", rule.name);
    return rules;
  }();
  const auto rule = kRules->find(name);
  SPECTRA_CHECK(rule != kRules->end(), "no rule named {}", name);
  return rule->second;
}

std::string expand(std::string_view text, const Slots& slots, Rng& rng) {
  Expander expander(slots, rng);
  expander.add(text);
  return expander.take();
}

std::string tidy(std::string_view text) {
  std::string out = single_spaces(text);
  fix_articles(out);
  capitalise(out);
  return out;
}

}  // namespace spectra::text
