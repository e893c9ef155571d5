// SPDX-License-Identifier: Apache-2.0
#include "server/jinja/scope.h"

#include <nlohmann/json.hpp>

namespace spectra::server::jinja {

Scope::Scope(const Json& variables) : variables_(1) {
  for (const auto& [name, value] : variables.items()) variables_[0][name] = value;
}

Scope::~Scope() = default;

Json Scope::get(const std::string& name) const {
  for (auto frame = variables_.rbegin(); frame != variables_.rend(); ++frame)
    if (const auto found = frame->find(name); found != frame->end()) return found->second;
  return Json(Json::value_t::discarded);
}

void Scope::set(const std::string& name, Json value) { variables_.back()[name] = std::move(value); }

void Scope::set_member(const std::string& name, const std::string& member, Json value) {
  for (auto frame = variables_.rbegin(); frame != variables_.rend(); ++frame)
    if (const auto found = frame->find(name); found != frame->end() && found->second.is_object()) {
      found->second[member] = std::move(value);
      return;
    }
  throw TemplateError("\"" + name + "\" is no namespace");
}

void Scope::push() { variables_.emplace_back(); }
void Scope::pop() { variables_.pop_back(); }

void Scope::write(const std::string& text) {
  constexpr size_t kMostBytes = 16 << 20;
  if (out_.size() + text.size() > kMostBytes) throw TemplateError("the text grows beyond 16 MB");
  out_ += text;
}

void Scope::step() {
  if (++steps_ > 1000000) throw TemplateError("it takes more than a million steps");
}

}  // namespace spectra::server::jinja
