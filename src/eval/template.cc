// SPDX-License-Identifier: Apache-2.0
#include "eval/template.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace spectra::eval {
namespace {

std::string filtered(std::string text, const std::vector<const NamedFilter*>& filters, const Record& record) {
  try {
    for (const NamedFilter* filter : filters) text = filter->apply(text);
  } catch (const Error& error) {
    throw bad_input(fmt::format("{}: {}", record.where, error.what()));
  }
  return text;
}

std::string filter_names() {
  std::string names;
  for (const NamedFilter& filter : filters()) names += fmt::format("{}{}", names.empty() ? "" : ", ", filter.name);
  return names;
}

}  // namespace

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
  size_t bar = inside.find('|');
  part.field = inside.substr(0, bar);
  if (const size_t open = part.field.find('['); open != std::string::npos && part.field.back() == ']') {
    size_t index = 0;
    const char *begin = part.field.data() + open + 1, *end = part.field.data() + part.field.size() - 1;
    if (const auto parsed = std::from_chars(begin, end, index); parsed.ec == std::errc() && parsed.ptr == end) part.index = index;
    part.field.resize(open);
    if (!part.index) part.field.clear();
  }
  if (part.field.empty() || part.field.find_first_of(" []") != std::string::npos)
    throw bad_input(fmt::format("{}: {{{}}} in \"{}\" names no field", where, inside, source_), "write {name} or {name[0]}");
  while (bar != std::string_view::npos) {
    const size_t next = inside.find('|', bar + 1);
    const std::string_view name = inside.substr(bar + 1, next == std::string_view::npos ? next : next - bar - 1);
    const NamedFilter* filter = find_filter(name);
    if (filter == nullptr)
      throw bad_input(fmt::format("{}: unknown filter {} in \"{}\"", where, name, source_), "allowed: " + filter_names());
    part.filters.push_back(filter);
    bar = next;
  }
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
    out += part.filters.empty() ? text : filtered(text, part.filters, record);
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
