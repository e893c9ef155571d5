// SPDX-License-Identifier: Apache-2.0
#pragma once
// Variables of a running template, its text, and its limits.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/jinja/template.h"

namespace spectra::server::jinja {

class Scope {
 public:
  explicit Scope(const Json& variables) : variables_(1) {
    for (const auto& [name, value] : variables.items()) variables_[0][name] = value;
  }

  /// Discarded where there is none.
  Json get(const std::string& name) const {
    for (auto frame = variables_.rbegin(); frame != variables_.rend(); ++frame)
      if (const auto found = frame->find(name); found != frame->end()) return found->second;
    return Json(Json::value_t::discarded);
  }
  void set(const std::string& name, Json value) { variables_.back()[name] = std::move(value); }
  /// Of an object variable, wherever it is.
  void set_member(const std::string& name, const std::string& member, Json value) {
    for (auto frame = variables_.rbegin(); frame != variables_.rend(); ++frame)
      if (const auto found = frame->find(name); found != frame->end() && found->second.is_object()) {
        found->second[member] = std::move(value);
        return;
      }
    throw TemplateError("\"" + name + "\" is no namespace");
  }
  void push() { variables_.emplace_back(); }
  void pop() { variables_.pop_back(); }

  void write(const std::string& text) {
    constexpr size_t kMostBytes = 16 << 20;
    if (out_.size() + text.size() > kMostBytes) throw TemplateError("the text grows beyond 16 MB");
    out_ += text;
  }
  void step() {
    if (++steps_ > 1000000) throw TemplateError("it takes more than a million steps");
  }
  std::string take() { return std::move(out_); }

  enum class Jump { kNone, kBreak, kContinue };
  Jump jump = Jump::kNone;  ///< out of the innermost loop

 private:
  std::vector<std::map<std::string, Json>> variables_;
  std::string out_;
  size_t steps_ = 0;
};

}  // namespace spectra::server::jinja
