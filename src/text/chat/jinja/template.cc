// SPDX-License-Identifier: Apache-2.0
#include "text/chat/jinja/template.h"

#include <nlohmann/json.hpp>

#include "text/chat/jinja/parser.h"
#include "text/chat/jinja/scope.h"

namespace spectra::text::jinja {

Template::Template(const std::string& source) : body_(parse(source)) {}

std::string Template::render(const Json& variables) const {
  Scope scope(variables);
  for (const Write& write : body_) write(scope);
  return scope.take();
}

}  // namespace spectra::text::jinja
