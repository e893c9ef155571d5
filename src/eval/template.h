// SPDX-License-Identifier: Apache-2.0
#pragma once
// Texts with places for fields: "Question: {question|strip}\nAnswer:". {options[0]} is an element of a list; filters follow after
// |, several in turn; {{ and }} are braces. A template that names a whole list, "{choices}", stands for as many texts as the list
// has.
#include <optional>
#include <string>
#include <vector>

#include "eval/filters.h"
#include "eval/record.h"

namespace spectra::eval {

class Template {
 public:
  Template() = default;
  /// Throws Error, beginning with `where`, for an unknown filter or braces that do not match.
  Template(const std::string& source, const std::string& where);

  const std::string& source() const { return source_; }
  std::vector<std::string> fields() const;

  /// Throws Error with record.where for a field that is absent, or a list where one text is wanted.
  std::string text(const Record& record) const;
  /// One text for each element of the one list it names (exactly one must be a list).
  Texts texts(const Record& record) const;
  /// The record has every field that is named.
  bool fits(const Record& record) const;
  bool has_list(const Record& record) const;

 private:
  struct Part {
    std::string literal, field;  ///< the literal comes first; field "" = none
    std::optional<size_t> index;
    std::vector<const NamedFilter*> filters;
  };
  void parse_field(Part& part, std::string_view inside, const std::string& where) const;
  const Value& value(const Part& part, const Record& record) const;
  std::string render(const Record& record, const std::string* element) const;

  std::string source_;
  std::vector<Part> parts_;
};

}  // namespace spectra::eval
