// SPDX-License-Identifier: Apache-2.0
#pragma once
// Filters, methods, tests and functions by name, and the operators on values.
#include <string>
#include <vector>

#include "text/chat/jinja/template.h"

namespace spectra::text::jinja {

using Arguments = std::vector<Json>;

Json undefined();
bool truth(const Json& value);
/// A value as {{ value }} shows it. Undefined gives "", none gives "None".
std::string text_of(const Json& value);

bool is_filter(const std::string& name);
bool is_method(const std::string& name);
bool is_test(const std::string& name);
bool is_function(const std::string& name);

/// These throw TemplateError where value or arguments do not fit.
Json filter(const std::string& name, const Json& value, const Arguments& arguments);
Json method(const std::string& name, const Json& value, const Arguments& arguments);
bool test(const std::string& name, const Json& value);
Json function(const std::string& name, const Arguments& arguments, const Json& named);

Json binary(const std::string& sign, const Json& a, const Json& b);
/// value.name or value[index]; undefined where there is none.
Value member(const Value& value, const Json& index);
/// value[begin:end:step]; undefined bounds are open.
Json slice(const Json& value, const Json& begin, const Json& end, const Json& step);

}  // namespace spectra::text::jinja
