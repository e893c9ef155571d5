// SPDX-License-Identifier: Apache-2.0
#include "eval/filters.h"

#include "base/error.h"
#include "eval/python_text.h"

namespace spectra::eval {
namespace {

using std::string;
using std::string_view;

size_t blank(string_view text) {
  const size_t found = text.find('_');
  if (found == string_view::npos) throw bad_input("no \"_\" that marks the blank");
  return found;
}
size_t last_word(string_view text) { return text.rfind(' ') + 1; }  // npos + 1 is 0

/// Deletes every shortest [...] that does not run over a line break.
string without_brackets(string_view text) {
  string out;
  size_t at = 0;
  for (;;) {
    const size_t open = text.find('[', at), end = open == string_view::npos ? open : text.find_first_of("]\n", open);
    if (end == string_view::npos) break;
    const bool closes = text[end] == ']';
    out.append(text.substr(at, (closes ? open : open + 1) - at));
    at = closes ? end + 1 : open + 1;
  }
  return out.append(text.substr(at));
}

/// Nothing is stripped at the end, and three spaces become two: both are the harness's.
string hellaswag(string_view text) { return replace_all(without_brackets(replace_all(strip(text), " [title]", ". ")), "  ", " "); }

/// open, white space, inner, white space, close -> open, inner, close; `inner` holds no `close`.
string trimmed_inside(string_view text, char open, char close) {
  string out;
  size_t at = 0;
  for (;;) {
    const size_t begin = text.find(open, at), end = begin == string_view::npos ? begin : text.find(close, begin + 1);
    if (end == string_view::npos) break;
    (out.append(text.substr(at, begin - at)) += open).append(strip(text.substr(begin + 1, end - begin - 1))) += close;
    at = end + 1;
  }
  return out.append(text.substr(at));
}

string wikitext(string_view page) {
  string text = replace_all(page, "s '", "s'");
  for (const char* mark : {"-", ",", "."}) text = replace_all(text, fmt::format(" @{}@ ", mark), mark);
  for (const char mark : {':', ';', '.', '!', '?', ','}) text = replace_all(text, string{' ', mark, ' '}, string{mark, ' '});
  text = trimmed_inside(text, '(', ')');
  text = trimmed_inside(text, '[', ']');
  text = trimmed_inside(text, '{', '}');
  text = trimmed_inside(text, '"', '"');
  text = trimmed_inside(text, '\'', '\'');
  static constexpr const char* kLast[][2] = {{"= = = =", "===="}, {"= = =", "==="}, {"= =", "=="},  {" \xC2\xB0 ", "\xC2\xB0"},
                                             {" \n", "\n"},       {"\n ", "\n"},    {" N ", " 1 "}, {" 's", "'s"}};
  for (const auto& pair : kLast) text = replace_all(text, pair[0], pair[1]);
  return text;
}

string bare_question(string_view text) {
  constexpr string_view kBefore = "Question: ", kAfter = "\nAnswer:";
  if (text.substr(0, kBefore.size()) == kBefore) text.remove_prefix(kBefore.size());
  if (text.size() >= kAfter.size() && text.substr(text.size() - kAfter.size()) == kAfter) text.remove_suffix(kAfter.size());
  return string(text);
}

}  // namespace

const std::vector<NamedFilter>& filters() {
  static const std::vector<NamedFilter> all = {
      {"strip", [](string_view t) { return string(strip(t)); }, "without white space at both ends"},
      {"lstrip", [](string_view t) { return string(lstrip(t)); }, "without white space at the beginning"},
      {"rstrip", [](string_view t) { return string(rstrip(t)); }, "without white space at the end"},
      {"capitalize", [](string_view t) { return capitalize(t); }, "first character upper case, all others lower"},
      {"lower", [](string_view t) { return lower(t); }, "lower case"},
      {"spaces", [](string_view t) { return replace_all(t, "_", " "); }, "underscores become spaces"},
      {"before_blank", [](string_view t) { return string(t.substr(0, blank(t))); }, "what is before the first _"},
      {"after_blank", [](string_view t) { return string(t.substr(blank(t) + 1)); }, "what is after the first _"},
      {"before_last_word", [](string_view t) { return string(t.substr(0, last_word(t) - (last_word(t) > 0))); },
       "what is before the last space"},
      {"last_word", [](string_view t) { return string(t.substr(last_word(t))); }, "what is after the last space, if there is one"},
      {"hellaswag", hellaswag, "HellaSwag's clean-up: [title], [...] and double spaces"},
      {"wikitext", wikitext, "WikiText's tokens back to text"},
      {"bare_question", bare_question, "without \"Question: \" before and \"Answer:\" after"},
  };
  return all;
}

std::vector<const NamedFilter*> parse_filters(string_view text, const string& where) {
  std::vector<const NamedFilter*> found;
  for (size_t bar = text.find('|'); bar != string_view::npos;) {
    const size_t next = text.find('|', bar + 1);
    const string_view name = text.substr(bar + 1, next == string_view::npos ? next : next - bar - 1);
    string names;
    for (const NamedFilter& filter : filters()) {
      if (name == filter.name) found.push_back(&filter);
      names += fmt::format("{}{}", names.empty() ? "" : ", ", filter.name);
    }
    if (found.empty() || name != found.back()->name)
      throw bad_input(fmt::format("{}: unknown filter {} in \"{}\"", where, name, text), "allowed: " + names);
    bar = next;
  }
  return found;
}

string apply_filters(const std::vector<const NamedFilter*>& filters, string text, const string& where) {
  try {
    for (const NamedFilter* filter : filters) text = filter->apply(text);
  } catch (const Error& error) {
    throw bad_input(fmt::format("{}: {}", where, error.what()));
  }
  return text;
}

}  // namespace spectra::eval
