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

  Value get(const std::string& name);  ///< discarded where there is none
  void set(const std::string& name, Value value);
  /// Of an object variable, wherever it is. Throws TemplateError where there is none.
  void set_member(const std::string& name, const std::string& member, const Json& value);
  void push();
  void pop();

  void write(const std::string& text);
  void step(size_t count = 1);
  /// Something new; costs steps by its size.
  Value made(Json json);
  std::string take() { return std::move(out_); }

  enum class Jump { kNone, kBreak, kContinue };
  Jump jump = Jump::kNone;  ///< out of the innermost loop

 private:
  std::vector<std::map<std::string, Value>> variables_;  // of the template, then of each loop
  std::string out_;
  size_t steps_ = 0;
};

}  // namespace spectra::text::jinja
