// SPDX-License-Identifier: Apache-2.0
#pragma once
// The part of Jinja that chat templates are written in (as transformers runs them: trim_blocks, lstrip_blocks, sandboxed).
//
//   {{ ... }}, {% if %}, {% for x in list if ... %} with loop.index, index0, revindex, revindex0, first, last, length, {% set x =
//   ... %},
//   {% set ns.x = ... %}, {% break %}, {% continue %}, {% generation %}, {# ... #}, "-" for white space
//   or and not, == != < <= > >= in, ~ + - * / // %, a if b else c, x.y, x[y], x[a:b:c], [..], (..), {..}, strings, numbers
//   is [not] defined, undefined, none, string, number, mapping, sequence, iterable, boolean, true, false
//   filters: trim length count upper lower capitalize title tojson join default first last string int list replace items
//   methods: strip lstrip rstrip upper lower title capitalize split startswith endswith replace items get keys values
//   functions: raise_exception namespace range
//
// Anything else is an error when the template is read. A run is bounded: a million steps, 16 MB of text.
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"

namespace spectra::text::jinja {

using Json = nlohmann::ordered_json;        // undefined: is_discarded()
using Value = std::shared_ptr<const Json>;  // shared: reading a member of a long list copies nothing

/// What a template did wrong, or refused by raise_exception (exit 3).
struct TemplateError : Error {
  explicit TemplateError(const std::string& message) : Error(Exit::kBadInput, message) {}
};

class Scope;
using Write = std::function<void(Scope&)>;

class Template {
 public:
  /// Throws TemplateError with the line.
  explicit Template(const std::string& source);
  /// The text, with these variables. Throws TemplateError.
  std::string render(const Json& variables) const;

 private:
  std::vector<Write> body_;
};

}  // namespace spectra::text::jinja
