// SPDX-License-Identifier: Apache-2.0
#include "server/jinja/template.h"

#include <nlohmann/json.hpp>

#include "server/jinja/parser.h"
#include "server/jinja/scope.h"

namespace spectra::server::jinja {

Template::Template(const std::string& source) : body_(parse(source)) {}

std::string Template::render(const Json& variables) const {
  Scope scope(variables);
  for (const Write& write : body_) write(scope);
  return scope.take();
}

}  // namespace spectra::server::jinja
