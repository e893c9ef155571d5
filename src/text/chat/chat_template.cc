// SPDX-License-Identifier: Apache-2.0
#include "text/chat/chat_template.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "format/strict_json.h"
#include "text/chat/jinja/template.h"

namespace spectra::text {
namespace {

using Json = nlohmann::ordered_json;

/// A special token is a string, or an object with its text as "content".
std::string special(const nlohmann::json& config, const char* name) {
  const nlohmann::json value = config.value(name, nlohmann::json());
  if (value.is_string()) return value.get<std::string>();
  return value.is_object() ? value.value("content", "") : "";
}

/// The template itself, or the one named "default" of several.
std::string source_of(const nlohmann::json& config) {
  const nlohmann::json value = config.value("chat_template", nlohmann::json());
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return "";
  for (const nlohmann::json& entry : value)
    if (entry.is_object() && entry.value("name", "") == "default") return entry.value("template", "");
  return "";
}

RenderedChat render_plainly(const std::vector<ChatMessage>& messages) {
  RenderedChat chat;
  for (size_t i = 0; i < messages.size(); ++i) {
    const auto& [role, content] = messages[i];
    if (role == "system" || role == "developer")
      chat.text += content;
    else if (role == "user")
      chat.text += "User: " + content;
    else if (role == "assistant")
      chat.text += "Assistant: " + content;
    else
      throw MessageError(i, fmt::format("role \"{}\" is not known; allowed: system, developer, user, assistant", role));
    chat.text += "\n\n";
  }
  chat.text += "Assistant:";
  chat.stops = {"\n\nUser:"};
  return chat;
}

}  // namespace

ChatTemplate ChatTemplate::load(const fs::path& directory) {
  ChatTemplate result;
  const fs::path path = directory / "tokenizer_config.json";
  if (!fs::exists(path)) return result;
  const nlohmann::json config = format::parse_json_object(read_file(path), path.string());
  const fs::path file = directory / "chat_template.jinja";  // newer models have it beside, and it counts
  const std::string source = fs::exists(file) ? read_file(file) : source_of(config);
  if (source.empty()) return result;
  result.bos_ = special(config, "bos_token");
  result.eos_ = special(config, "eos_token");
  try {
    result.template_ = std::make_shared<jinja::Template>(source);
  } catch (const jinja::TemplateError& error) {
    result.unsupported_ = error.what();
    log_warning("{}: chat_template: {}; chats will be refused", fs::exists(file) ? file.string() : path.string(), error.what());
  }
  return result;
}

RenderedChat ChatTemplate::render(const std::vector<ChatMessage>& messages) const {
  if (!unsupported_.empty()) throw bad_input("the model's chat template is not supported: " + unsupported_);
  if (plain()) return render_plainly(messages);
  Json list = Json::array();
  for (const ChatMessage& message : messages) list.push_back({{"role", message.role}, {"content", message.content}});
  try {
    const Json variables = {
        {"messages", std::move(list)}, {"add_generation_prompt", true}, {"bos_token", bos_}, {"eos_token", eos_}};
    RenderedChat chat{template_->render(variables), {}, false};
    chat.begins_itself = !bos_.empty() && chat.text.starts_with(bos_);
    return chat;
  } catch (const jinja::TemplateError& error) {
    throw bad_input(fmt::format("the model's chat template: {}", error.what()));
  }
}

}  // namespace spectra::text
