// SPDX-License-Identifier: Apache-2.0
#include "eval/template.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "base/error.h"

namespace spectra::eval {

Template::Template(const std::string& source, const std::string& where) : source_(source) {
  const auto fail = [&](const char* what) {
    throw bad_input(fmt::format("{}: {} in \"{}\"", where, what, source), "a field is written {name}, a brace {{ or }}");
  };
  Part part;
  for (size_t at = 0; at < source.size(); ++at) {
    const char c = source[at];
    const bool doubled = at + 1 < source.size() && source[at + 1] == c;
    if ((c == '{' || c == '}') && doubled) {
      part.literal += c;
      ++at;
    } else if (c == '}') {
      fail("a } without {");
    } else if (c == '{') {
      const size_t end = source.find('}', at);
      if (end == std::string::npos) fail("a { without }");
      parse_field(part, std::string_view(source).substr(at + 1, end - at - 1), where);
      parts_.push_back(std::move(part));
      part = Part();
      at = end;
    } else {
      part.literal += c;
    }
  }
  if (!part.literal.empty()) parts_.push_back(std::move(part));
}

/// name, name[0], name|filter|filter
void Template::parse_field(Part& part, std::string_view inside, const std::string& where) const {
  part.field = inside.substr(0, inside.find('|'));
  if (const size_t open = part.field.find('['); open != std::string::npos && part.field.back() == ']') {
    size_t index = 0;
    const char *begin = part.field.data() + open + 1, *end = part.field.data() + part.field.size() - 1;
    if (const auto parsed = std::from_chars(begin, end, index); parsed.ec == std::errc() && parsed.ptr == end) part.index = index;
    part.field.resize(open);
    if (!part.index) part.field.clear();
  }
  if (part.field.empty() || part.field.find_first_of(" []") != std::string::npos)
    throw bad_input(fmt::format("{}: {{{}}} in \"{}\" names no field", where, inside, source_), "write {name} or {name[0]}");
  part.filters = parse_filters(inside, where);
}

std::vector<std::string> Template::fields() const {
  std::vector<std::string> names;
  for (const Part& part : parts_)
    if (!part.field.empty()) names.push_back(part.field);
  return names;
}

bool Template::fits(const Record& record) const {
  return std::all_of(parts_.begin(), parts_.end(),
                     [&](const Part& part) { return part.field.empty() || record.fields.count(part.field) > 0; });
}

bool Template::has_list(const Record& record) const {
  return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) {
    return !part.field.empty() && !part.index && std::holds_alternative<Texts>(value(part, record));
  });
}

const Value& Template::value(const Part& part, const Record& record) const {
  const auto found = record.fields.find(part.field);
  if (found == record.fields.end()) throw bad_input(fmt::format("{}: no field {}", record.where, part.field));
  return found->second;
}

/// `element` stands for the list, where there is one.
std::string Template::render(const Record& record, const std::string* element) const {
  std::string out;
  for (const Part& part : parts_) {
    out += part.literal;
    if (part.field.empty()) continue;
    const Value& v = value(part, record);
    const Texts* list = std::get_if<Texts>(&v);
    if (list != nullptr && part.index && *part.index >= list->size())
      throw bad_input(
          fmt::format("{}: {} has {} elements, and number {} is wanted", record.where, part.field, list->size(), *part.index + 1));
    if (list == nullptr && part.index)
      throw bad_input(fmt::format("{}: {} is one text, expected a list", record.where, part.field));
    if (list != nullptr && !part.index && element == nullptr)
      throw bad_input(fmt::format("{}: {} is a list, expected one text", record.where, part.field));
    const std::string& text = list == nullptr ? std::get<std::string>(v) : part.index ? (*list)[*part.index] : *element;
    out += part.filters.empty() ? text : apply_filters(part.filters, text, record.where);
  }
  return out;
}

std::string Template::text(const Record& record) const { return render(record, nullptr); }

Texts Template::texts(const Record& record) const {
  const Texts* list = nullptr;
  for (const Part& part : parts_) {
    if (part.field.empty() || part.index) continue;
    const Texts* found = std::get_if<Texts>(&value(part, record));
    if (found != nullptr && list != nullptr)
      throw bad_input(fmt::format("{}: \"{}\" names two lists, expected one", record.where, source_));
    if (found != nullptr) list = found;
  }
  if (list == nullptr) throw bad_input(fmt::format("{}: \"{}\" names no list, expected one", record.where, source_));
  Texts result;
  for (const std::string& element : *list) result.push_back(render(record, &element));
  return result;
}

}  // namespace spectra::eval
