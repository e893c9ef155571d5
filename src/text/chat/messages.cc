// SPDX-License-Identifier: Apache-2.0
#include "text/chat/messages.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace spectra::text {
namespace {

constexpr size_t kMostMessages = 4096;

std::string content_of(const nlohmann::json& message, size_t index) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null()) return "";
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array())
    throw MessageError(index, fmt::format("content: expected a string or an array of parts, found {}", content->type_name()));
  std::string text;
  for (const nlohmann::json& part : *content) {
    if (!part.is_object() || !part.contains("type") || part["type"] != "text" || !part.contains("text") ||
        !part["text"].is_string())
      throw MessageError(index, R"(content: only parts {"type": "text", "text": "..."} are supported)");
    text += part["text"].get<std::string>();
  }
  return text;
}

}  // namespace

std::vector<ChatMessage> read_messages(const nlohmann::json& messages) {
  if (!messages.is_array() || messages.empty() || messages.size() > kMostMessages)
    throw bad_input(fmt::format("messages: expected an array of 1 to {} messages", kMostMessages));
  std::vector<ChatMessage> result;
  for (size_t i = 0; i < messages.size(); ++i) {
    const nlohmann::json& m = messages[i];
    if (!m.is_object() || !m.contains("role") || !m["role"].is_string())
      throw MessageError(i, "expected an object with role and content");
    result.push_back({m["role"].get<std::string>(), content_of(m, i)});
  }
  return result;
}

}  // namespace spectra::text
