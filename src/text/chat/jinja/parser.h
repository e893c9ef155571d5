// SPDX-License-Identifier: Apache-2.0
#pragma once
// A template's source as functions that write it.
#include <string>
#include <vector>

#include "text/chat/jinja/template.h"

namespace spectra::text::jinja {

/// Throws TemplateError, which names the line.
std::vector<Write> parse(const std::string& source);

}  // namespace spectra::text::jinja
