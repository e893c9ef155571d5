// SPDX-License-Identifier: Apache-2.0
// Renders chat templates: one line {"template", "variables"} of JSON each on stdin, one {"text"} or {"error"} each on stdout.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "text/chat/jinja/template.h"

int main() {
  using spectra::text::jinja::Json;
  for (std::string line; std::getline(std::cin, line);) {
    const Json job = Json::parse(line);
    Json result;
    try {
      result["text"] = spectra::text::jinja::Template(job["template"]).render(job["variables"]);
    } catch (const spectra::text::jinja::TemplateError& error) {
      result["error"] = error.what();
    }
    std::cout << result.dump() << std::endl;
  }
}
