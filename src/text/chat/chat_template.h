// SPDX-License-Identifier: Apache-2.0
#pragma once
// The messages of a chat as one prompt: by the Jinja template in chat_template.jinja or tokenizer_config.json, or plainly for base
// models, which have no template.
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "text/chat/messages.h"

namespace spectra::text {

struct RenderedChat {
  std::string text;
  std::vector<std::string> stops;  ///< texts that the answer ends before
  bool begins_itself = false;      ///< the text has its BOS, so none is to be added
};

namespace jinja {
class Template;
}

class ChatTemplate {
 public:
  /// Warns where the template uses what jinja/template.h does not have; render() then refuses every chat.
  static ChatTemplate load(const fs::path& directory);

  bool plain() const { return template_ == nullptr && unsupported_.empty(); }

  /// Throws MessageError, or Error where the template refuses the messages or could not be read.
  ///
  /// Without a template: each system message and a blank line, each other one as "User: ..." or "Assistant: ..." and a blank line,
  /// then "Assistant:". The text ends before the next "\n\nUser:".
  RenderedChat render(const std::vector<ChatMessage>& messages) const;

 private:
  std::shared_ptr<const jinja::Template> template_;
  std::string bos_, eos_;
  std::string unsupported_;  // why there is no template_ though the model has one
};

}  // namespace spectra::text
