// SPDX-License-Identifier: Apache-2.0
#include "text/chat/jinja/scope.h"

#include <nlohmann/json.hpp>

namespace spectra::text::jinja {

namespace {

/// Steps that making a value costs: one for each value in it, and one for each 1024 bytes of text.
size_t weight(const Json& json) {
  if (json.is_string()) return 1 + json.get_ref<const std::string&>().size() / 1024;
  size_t sum = 1;
  if (json.is_structured())
    for (const Json& item : json) sum += weight(item);
  return sum;
}

}  // namespace

Scope::Scope(const Json& variables) : variables_(1) {
  for (const auto& [name, value] : variables.items()) variables_[0][name] = std::make_shared<Json>(value);
}

Scope::~Scope() = default;

Value Scope::get(const std::string& name) {
  step();
  for (auto frame = variables_.rbegin(); frame != variables_.rend(); ++frame)
    if (const auto found = frame->find(name); found != frame->end()) return found->second;
  static const Value kUndefined = std::make_shared<Json>(Json::value_t::discarded);
  return kUndefined;
}

void Scope::set(const std::string& name, Value value) { variables_.back()[name] = std::move(value); }

void Scope::set_member(const std::string& name, const std::string& member, const Json& value) {
  for (auto frame = variables_.rbegin(); frame != variables_.rend(); ++frame)
    if (const auto found = frame->find(name); found != frame->end() && found->second->is_object()) {
      if (found->second.use_count() > 1) found->second = made(*found->second);  // others hold it too
      step(weight(value));
      std::const_pointer_cast<Json>(found->second)->operator[](member) = value;
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

void Scope::step(size_t count) {
  if ((steps_ += count) > 1000000) throw TemplateError("it takes more than a million steps");
}

Value Scope::made(Json json) {
  step(weight(json));
  return std::make_shared<Json>(std::move(json));
}

}  // namespace spectra::text::jinja
