// SPDX-License-Identifier: Apache-2.0
#include "server/chat_template.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "format/strict_json.h"
#include "server/api_error.h"
#include "server/jinja/template.h"

namespace spectra::server {
namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kMostMessages = 4096;

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

[[noreturn]] void refuse(size_t index, const std::string& what) {
  const std::string field = fmt::format("messages[{}]", index);
  throw ApiError(400, field + ": " + what, field);
}

std::string content_of(const nlohmann::json& message, size_t index) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null()) return "";
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array())
    refuse(index, fmt::format("content: expected a string or an array of parts, found {}", content->type_name()));
  std::string text;
  for (const nlohmann::json& part : *content) {
    if (!part.is_object() || !part.contains("type") || part["type"] != "text" || !part.contains("text") ||
        !part["text"].is_string())
      refuse(index, R"(content: only parts {"type": "text", "text": "..."} are supported)");
    text += part["text"].get<std::string>();
  }
  return text;
}

/// [{role, content}], contents as strings.
Json read_messages(const nlohmann::json& messages, size_t most_bytes) {
  if (!messages.is_array() || messages.empty() || messages.size() > kMostMessages)
    throw ApiError(400, fmt::format("messages: expected an array of 1 to {} messages", kMostMessages), "messages");
  Json result = Json::array();
  size_t bytes = 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    const nlohmann::json& m = messages[i];
    if (!m.is_object() || !m.contains("role") || !m["role"].is_string()) refuse(i, "expected an object with role and content");
    std::string content = content_of(m, i);
    if ((bytes += content.size()) > most_bytes)
      throw ApiError(400, "messages: more text than the context can hold", "messages", "context_length_exceeded");
    result.push_back({{"role", m["role"].get<std::string>()}, {"content", std::move(content)}});
  }
  return result;
}

RenderedChat render_plainly(const Json& messages) {
  RenderedChat chat;
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string role = messages[i]["role"], content = messages[i]["content"];
    if (role == "system" || role == "developer")
      chat.text += content;
    else if (role == "user")
      chat.text += "User: " + content;
    else if (role == "assistant")
      chat.text += "Assistant: " + content;
    else
      refuse(i, fmt::format("role \"{}\" is not known; allowed: system, developer, user, assistant", role));
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

RenderedChat ChatTemplate::render(const nlohmann::json& messages, size_t most_bytes) const {
  const Json list = read_messages(messages, most_bytes);
  if (!unsupported_.empty()) throw ApiError(400, "the model's chat template is not supported: " + unsupported_, "messages");
  if (plain()) return render_plainly(list);
  try {
    const Json variables = {{"messages", list}, {"add_generation_prompt", true}, {"bos_token", bos_}, {"eos_token", eos_}};
    RenderedChat chat{template_->render(variables), {}, false};
    chat.begins_itself = !bos_.empty() && chat.text.starts_with(bos_);
    return chat;
  } catch (const jinja::TemplateError& error) {
    throw ApiError(400, fmt::format("the model's chat template: {}", error.what()), "messages");
  }
}

}  // namespace spectra::server
