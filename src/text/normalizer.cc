// SPDX-License-Identifier: Apache-2.0
#include "text/normalizer.h"

#include "base/error.h"
#include "text/tokenizer.h"

namespace spectra::text {

std::string replace_all(std::string_view text, std::string_view pattern, std::string_view content) {
  std::string result;
  size_t done = 0;
  for (size_t at = text.find(pattern); at != std::string_view::npos; at = text.find(pattern, done)) {
    result.append(text.substr(done, at - done)).append(content);
    done = at + pattern.size();
  }
  return result.append(text.substr(done));
}

std::string_view Normalizer::apply(std::string_view text, std::string& storage) const {
  const size_t limit = (size_t{1} << 16) + 256 * text.size();
  for (const Step& step : steps_) {
    if (text.empty()) return text;
    switch (step.kind) {
      case Kind::kNfc:
        storage = nfc(text);
        break;
      case Kind::kPrepend:
        storage = step.content + std::string(text);
        break;
      case Kind::kReplace:
        storage = replace_all(text, step.pattern, step.content);
        break;
    }
    if (storage.size() > limit)
      throw bad_input(fmt::format("the tokenizer's Replace steps make a text of {} bytes out of a short one", storage.size()),
                      "use another tokenizer.json");
    text = storage;
  }
  return text;
}

}  // namespace spectra::text
