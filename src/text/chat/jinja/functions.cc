// SPDX-License-Identifier: Apache-2.0
#include "text/chat/jinja/functions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

namespace spectra::text::jinja {
namespace {

constexpr int64_t kMostItems = 100000;

const std::string& string_of(const Json& value, const char* who) {
  if (!value.is_string()) throw TemplateError(fmt::format("{} needs a string, not {}", who, value.type_name()));
  return value.get_ref<const std::string&>();
}

int64_t integer_of(const Json& value, const char* who) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (!value.is_number()) throw TemplateError(fmt::format("{} needs a number, not {}", who, value.type_name()));
  return value.get<int64_t>();
}

Json argument(const Arguments& a, size_t i) { return i < a.size() ? a[i] : undefined(); }

template <class Change>
std::string each(std::string text, Change change) {
  for (char& c : text) c = static_cast<char>(change(static_cast<unsigned char>(c)));
  return text;
}
std::string upper(const std::string& s) {
  return each(s, [](unsigned char c) { return std::toupper(c); });
}
std::string lower(const std::string& s) {
  return each(s, [](unsigned char c) { return std::tolower(c); });
}
std::string capitalize(const std::string& s) {
  std::string result = lower(s);
  if (!result.empty()) result[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(result[0])));
  return result;
}
std::string title(const std::string& s) {
  std::string result = lower(s);
  for (size_t i = 0; i < result.size(); ++i)
    if (i == 0 || std::isalpha(static_cast<unsigned char>(result[i - 1])) == 0)
      result[i] = static_cast<char>(std::toupper(static_cast<unsigned char>(result[i])));
  return result;
}

std::string strip(const std::string& s, const Json& characters, bool left, bool right) {
  const std::string set = characters.is_string() ? characters.get<std::string>() : " \t\n\r\v\f";
  size_t begin = 0, end = s.size();
  while (left && begin < end && set.find(s[begin]) != std::string::npos) ++begin;
  while (right && end > begin && set.find(s[end - 1]) != std::string::npos) --end;
  return s.substr(begin, end - begin);
}

std::string replace(const std::string& s, const std::string& from, const std::string& to) {
  std::string result;
  size_t at = 0;
  for (size_t found = 0; !from.empty() && (found = s.find(from, at)) != std::string::npos; at = found + from.size())
    result += s.substr(at, found - at) + to;
  return result + s.substr(at);
}

Json split(const std::string& s, const Json& by) {
  Json parts = Json::array();
  const std::string separator = by.is_string() ? by.get<std::string>() : "";
  if (separator.empty()) {  // runs of white space
    std::string word;
    for (const char c : s + " ") {
      if (std::isspace(static_cast<unsigned char>(c)) == 0)
        word += c;
      else if (!word.empty())
        parts.push_back(std::exchange(word, ""));
    }
    return parts;
  }
  size_t at = 0;
  for (size_t found = 0; (found = s.find(separator, at)) != std::string::npos; at = found + separator.size())
    parts.push_back(s.substr(at, found - at));
  parts.push_back(s.substr(at));
  return parts;
}

Json items(const Json& value) {
  if (!value.is_object()) throw TemplateError(fmt::format("items needs a mapping, not {}", value.type_name()));
  Json list = Json::array();
  for (const auto& [key, member_value] : value.items()) list.push_back(Json::array({key, member_value}));
  return list;
}

Json keys_or_values(const Json& value, bool keys) {
  Json list = Json::array();
  for (const Json& pair : items(value)) list.push_back(pair[keys ? 0 : 1]);
  return list;
}

/// A member or an item of a list; null where there is none.
const Json* part(const Json& value, const Json& index) {
  if (value.is_object() && index.is_string()) {
    const auto found = value.find(index.get_ref<const std::string&>());
    return found == value.end() ? nullptr : &*found;
  }
  if (!value.is_array() || !index.is_number_integer()) return nullptr;
  const auto size = static_cast<int64_t>(value.size());
  const int64_t i = index.get<int64_t>() < 0 ? index.get<int64_t>() + size : index.get<int64_t>();
  return i < 0 || i >= size ? nullptr : &value[static_cast<size_t>(i)];
}

/// Splits a text into its code points.
std::vector<std::string_view> characters_of(const std::string& text) {
  std::vector<std::string_view> result;
  for (size_t begin = 0, end = 1; begin < text.size(); begin = end++) {
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
    result.push_back(std::string_view(text).substr(begin, end - begin));
  }
  return result;
}

int64_t code_points(const std::string& s) {
  return std::count_if(s.begin(), s.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

Json length(const Json& value) {
  if (value.is_string()) return code_points(value.get_ref<const std::string&>());
  if (!value.is_structured()) throw TemplateError(fmt::format("length needs a list, not {}", value.type_name()));
  return value.size();
}

Json end_of(const Json& value, bool first) {
  if (!value.is_array() || value.empty()) return undefined();
  return first ? value.front() : value.back();
}

std::string join(const Json& list, const Json& by) {
  if (!list.is_array()) throw TemplateError(fmt::format("join needs a list, not {}", list.type_name()));
  std::string result;
  for (size_t i = 0; i < list.size(); ++i) result += (i > 0 && by.is_string() ? by.get<std::string>() : "") + text_of(list[i]);
  return result;
}

/// JSON as Python's json.dumps writes it, which transformers calls.
std::string to_json(const Json& value, int indent, int depth = 0) {
  if (!value.is_structured() || value.empty()) return value.dump();
  const std::string inner = indent < 0 ? "" : "\n" + std::string(static_cast<size_t>((depth + 1) * indent), ' ');
  const std::string outer = indent < 0 ? "" : "\n" + std::string(static_cast<size_t>(depth * indent), ' ');
  std::string text;
  for (const auto& [key, item] : value.items()) {
    if (!text.empty()) text += indent < 0 ? ", " : ",";
    text += inner + (value.is_object() ? Json(key).dump() + ": " : "") + to_json(item, indent, depth + 1);
  }
  return (value.is_object() ? "{" : "[") + text + outer + (value.is_object() ? "}" : "]");
}

Json range(const Arguments& a) {
  int64_t begin = 0, end = integer_of(argument(a, 0), "range"), step = 1;
  if (a.size() > 1) begin = end, end = integer_of(a[1], "range");
  if (a.size() > 2) step = integer_of(a[2], "range");
  if (step == 0) throw TemplateError("range: the step is 0");
  Json list = Json::array();
  for (int64_t i = begin; step > 0 ? i < end : i > end; i += step) {
    if (list.size() >= kMostItems) throw TemplateError("range: too long");
    list.push_back(i);
  }
  return list;
}

using Filter = std::function<Json(const Json&, const Arguments&)>;

template <class Change>
Filter on_text(const char* name, Change change) {
  return [name, change](const Json& v, const Arguments&) { return Json(change(string_of(v, name))); };
}
Filter stripping(const char* name, bool left, bool right) {
  return [=](const Json& v, const Arguments& a) { return Json(strip(string_of(v, name), argument(a, 0), left, right)); };
}
Json replaced(const Json& v, const Arguments& a) {
  return replace(string_of(v, "replace"), string_of(argument(a, 0), "replace"), string_of(argument(a, 1), "replace"));
}

const std::map<std::string, Filter>& filters() {
  static const std::map<std::string, Filter> all = {
      {"trim", [](const Json& v, const Arguments& a) { return Json(strip(text_of(v), argument(a, 0), true, true)); }},
      {"length", [](const Json& v, const Arguments&) { return length(v); }},
      {"count", [](const Json& v, const Arguments&) { return length(v); }},
      {"upper", on_text("upper", upper)},
      {"lower", on_text("lower", lower)},
      {"capitalize", on_text("capitalize", capitalize)},
      {"title", on_text("title", title)},
      {"tojson",
       [](const Json& v, const Arguments& a) {
         return Json(to_json(v, a.empty() ? -1 : static_cast<int>(std::clamp<int64_t>(integer_of(a[0], "tojson"), 0, 16))));
       }},
      {"join", [](const Json& v, const Arguments& a) { return Json(join(v, argument(a, 0))); }},
      {"default",
       [](const Json& v, const Arguments& a) {
         return v.is_discarded() || (a.size() > 1 && truth(a[1]) && !truth(v)) ? argument(a, 0) : v;
       }},
      {"first", [](const Json& v, const Arguments&) { return end_of(v, true); }},
      {"last", [](const Json& v, const Arguments&) { return end_of(v, false); }},
      {"string", [](const Json& v, const Arguments&) { return Json(text_of(v)); }},
      {"int",
       [](const Json& v, const Arguments&) {
         return Json(v.is_string() ? std::atoll(v.get<std::string>().c_str()) : integer_of(v, "int"));
       }},
      {"list", [](const Json& v, const Arguments&) { return v.is_object() ? keys_or_values(v, true) : v; }},
      {"replace", replaced},
      {"items", [](const Json& v, const Arguments&) { return items(v); }},
  };
  return all;
}

const std::map<std::string, Filter>& methods() {
  static const std::map<std::string, Filter> all = {
      {"strip", stripping("strip", true, true)},
      {"lstrip", stripping("lstrip", true, false)},
      {"rstrip", stripping("rstrip", false, true)},
      {"upper", on_text("upper", upper)},
      {"lower", on_text("lower", lower)},
      {"title", on_text("title", title)},
      {"capitalize", on_text("capitalize", capitalize)},
      {"split", [](const Json& v, const Arguments& a) { return split(string_of(v, "split"), argument(a, 0)); }},
      {"startswith",
       [](const Json& v, const Arguments& a) {
         return Json(string_of(v, "startswith").starts_with(string_of(argument(a, 0), "startswith")));
       }},
      {"endswith",
       [](const Json& v, const Arguments& a) {
         return Json(string_of(v, "endswith").ends_with(string_of(argument(a, 0), "endswith")));
       }},
      {"replace", replaced},
      {"items", [](const Json& v, const Arguments&) { return items(v); }},
      {"keys", [](const Json& v, const Arguments&) { return keys_or_values(v, true); }},
      {"values", [](const Json& v, const Arguments&) { return keys_or_values(v, false); }},
      {"get",
       [](const Json& v, const Arguments& a) {
         const Json* found = part(v, argument(a, 0));
         return found != nullptr ? *found : a.size() > 1 ? a[1] : Json();
       }},
  };
  return all;
}

const std::map<std::string, std::function<bool(const Json&)>>& tests() {
  static const std::map<std::string, std::function<bool(const Json&)>> all = {
      {"defined", [](const Json& v) { return !v.is_discarded(); }},
      {"undefined", [](const Json& v) { return v.is_discarded(); }},
      {"none", [](const Json& v) { return v.is_null(); }},
      {"string", [](const Json& v) { return v.is_string(); }},
      {"number", [](const Json& v) { return v.is_number(); }},
      {"mapping", [](const Json& v) { return v.is_object(); }},
      {"sequence", [](const Json& v) { return v.is_array() || v.is_string(); }},
      {"iterable", [](const Json& v) { return v.is_structured() || v.is_string(); }},
      {"boolean", [](const Json& v) { return v.is_boolean(); }},
      {"true", [](const Json& v) { return v.is_boolean() && v.get<bool>(); }},
      {"false", [](const Json& v) { return v.is_boolean() && !v.get<bool>(); }},
  };
  return all;
}

bool contains(const Json& list, const Json& item) {
  if (list.is_string()) return list.get_ref<const std::string&>().find(string_of(item, "in")) != std::string::npos;
  if (list.is_object()) return list.contains(string_of(item, "in"));
  return std::find(list.begin(), list.end(), item) != list.end();
}

Json arithmetic(const std::string& sign, const Json& a, const Json& b) {
  if (!(a.is_number() && b.is_number())) throw TemplateError(fmt::format("{} {} {}", a.type_name(), sign, b.type_name()));
  const bool whole = a.is_number_integer() && b.is_number_integer();
  const auto x = a.get<double>(), y = b.get<double>();
  if (y == 0 && (sign == "/" || sign == "//" || sign == "%")) throw TemplateError("division by zero");
  const double result = sign == "+"    ? x + y
                        : sign == "-"  ? x - y
                        : sign == "*"  ? x * y
                        : sign == "/"  ? x / y
                        : sign == "//" ? std::floor(x / y)
                                       : x - std::floor(x / y) * y;
  const bool fits = std::abs(result) < 9e15;
  return whole && sign != "/" && fits ? Json(static_cast<int64_t>(result)) : Json(result);
}

int64_t bound(const Json& value, int64_t otherwise, int64_t size) {
  if (value.is_discarded() || value.is_null()) return otherwise;
  const int64_t i = integer_of(value, "a slice");
  return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size);
}

}  // namespace

Json undefined() { return Json(Json::value_t::discarded); }

bool truth(const Json& value) {
  if (value.is_discarded() || value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  return value.is_string() ? !value.get_ref<const std::string&>().empty() : !value.empty();
}

std::string text_of(const Json& value) {
  if (value.is_discarded()) return "";
  if (value.is_null()) return "None";
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  return value.is_string() ? value.get<std::string>() : to_json(value, -1);
}

bool is_filter(const std::string& name) { return filters().count(name) > 0; }
bool is_method(const std::string& name) { return methods().count(name) > 0; }
bool is_test(const std::string& name) { return tests().count(name) > 0; }
bool is_function(const std::string& name) { return name == "raise_exception" || name == "namespace" || name == "range"; }

Json filter(const std::string& name, const Json& value, const Arguments& arguments) { return filters().at(name)(value, arguments); }
Json method(const std::string& name, const Json& value, const Arguments& arguments) { return methods().at(name)(value, arguments); }
bool test(const std::string& name, const Json& value) { return tests().at(name)(value); }

Json function(const std::string& name, const Arguments& arguments, const Json& named) {
  if (name == "raise_exception") throw TemplateError(text_of(argument(arguments, 0)));
  return name == "range" ? range(arguments) : named;
}

Json binary(const std::string& sign, const Json& a, const Json& b) {
  if (sign == "==") return a.is_discarded() || b.is_discarded() ? a.is_discarded() == b.is_discarded() : a == b;
  if (sign == "!=") return !binary("==", a, b).get<bool>();
  if (sign == "in") return contains(b, a);
  if (sign == "~") return text_of(a) + text_of(b);
  if (sign == "<" || sign == ">" || sign == "<=" || sign == ">=") {
    if (!((a.is_number() && b.is_number()) || (a.is_string() && b.is_string())))
      throw TemplateError(fmt::format("{} {} {}", a.type_name(), sign, b.type_name()));
    return sign == "<" ? a < b : sign == ">" ? b < a : sign == "<=" ? a <= b : b <= a;
  }
  if (sign == "+" && a.is_string() && b.is_string()) return a.get<std::string>() + b.get<std::string>();
  if (sign == "+" && a.is_array() && b.is_array()) {
    Json both = a;
    both.insert(both.end(), b.begin(), b.end());
    return both;
  }
  return arithmetic(sign, a, b);
}

Value member(const Value& value, const Json& index) {
  if (value->is_discarded()) throw TemplateError("a member of something undefined");
  if (const Json* found = part(*value, index)) return {value, found};
  if (value->is_string() && index.is_number_integer()) {
    const std::vector<std::string_view> characters = characters_of(value->get_ref<const std::string&>());
    const auto size = static_cast<int64_t>(characters.size());
    const int64_t i = index.get<int64_t>() < 0 ? index.get<int64_t>() + size : index.get<int64_t>();
    if (i >= 0 && i < size) return std::make_shared<Json>(characters[static_cast<size_t>(i)]);
  }
  return std::make_shared<Json>(undefined());
}

Json slice(const Json& value, const Json& begin, const Json& end, const Json& step) {
  if (!value.is_array() && !value.is_string()) throw TemplateError(fmt::format("a slice of {}", value.type_name()));
  const std::vector<std::string_view> characters =
      value.is_string() ? characters_of(value.get_ref<const std::string&>()) : std::vector<std::string_view>();
  const auto size = static_cast<int64_t>(value.is_array() ? value.size() : characters.size());
  const int64_t stride = step.is_discarded() || step.is_null() ? 1 : integer_of(step, "a slice");
  if (stride != 1 && stride != -1) throw TemplateError("slices go in steps of 1 or -1");
  Json list = Json::array();
  std::string text;
  const auto take = [&](int64_t i) {
    if (value.is_array())
      list.push_back(value[static_cast<size_t>(i)]);
    else
      text += characters[static_cast<size_t>(i)];
  };
  if (stride == 1)
    for (int64_t i = bound(begin, 0, size); i < bound(end, size, size); ++i) take(i);
  else
    for (int64_t i = std::min(bound(begin, size - 1, size), size - 1); i > bound(end, -1, size); --i) take(i);
  return value.is_array() ? list : Json(text);
}

}  // namespace spectra::text::jinja
