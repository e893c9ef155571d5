// SPDX-License-Identifier: Apache-2.0
#pragma once
// The messages of a chat, as OpenAI's protocol and files of training chats write them.
#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"

namespace spectra::text {

struct ChatMessage {
  std::string role, content;
};

/// One message cannot be used (exit 3). what() says why, and index() which one.
class MessageError : public Error {
 public:
  MessageError(size_t index, const std::string& message) : Error(Exit::kBadInput, message), index_(index) {}
  /// Position of the message in the list, from 0.
  size_t index() const { return index_; }

 private:
  size_t index_;
};

/// `messages`: [{"role": "system" | "user" | "assistant" | ..., "content": "..." or [{"type": "text", "text": "..."}]}], at most
/// 4096; the parts of a content are joined. Throws MessageError, or Error where it is no such list.
std::vector<ChatMessage> read_messages(const nlohmann::json& messages);

}  // namespace spectra::text
