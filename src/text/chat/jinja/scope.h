// SPDX-License-Identifier: Apache-2.0
#pragma once
// Variables of a running template, its text, and its limits.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "text/chat/jinja/template.h"

namespace spectra::text::jinja {

class Scope {
 public:
  explicit Scope(const Json& variables);
  ~Scope();

  Value get(const std::string& name);  ///< undefined where there is none
  void set(const std::string& name, Value value);
  /// Sets a member of a namespace, in whichever scope it is. Throws TemplateError where there is none of that name.
  void set_member(const std::string& name, const std::string& member, const Json& value);
  void push();
  void pop();

  void write(const std::string& text);
  void step(size_t count = 1);
  /// A new value. Making it costs steps by its size.
  Value made(Json json);
  std::string take() { return std::move(out_); }

  enum class Jump { kNone, kBreak, kContinue };
  Jump jump = Jump::kNone;  ///< whether the innermost loop is being left

 private:
  std::vector<std::map<std::string, Value>> variables_;  // those of the template, then those of each loop
  std::string out_;
  size_t steps_ = 0;
};

}  // namespace spectra::text::jinja
