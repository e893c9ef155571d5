// SPDX-License-Identifier: Apache-2.0
#include "infer/text_stream.h"

#include <algorithm>

#include "text/tokenizer.h"

namespace spectra::infer {

size_t incomplete_utf8(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;  // a continuation: look for its lead
    const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

TextStream::TextStream(std::vector<std::string> stops) : stops_(std::move(stops)) { std::erase(stops_, std::string()); }

std::string TextStream::push(std::string_view bytes) {
  if (stopped_) return "";
  bytes_ += bytes;
  const size_t whole = bytes_.size() - incomplete_utf8(bytes_);
  held_ += text::sanitize_utf8(std::string_view(bytes_).substr(0, whole));
  bytes_.erase(0, whole);
  return release(false);
}

std::string TextStream::finish() {
  if (stopped_) return "";
  held_ += text::sanitize_utf8(bytes_);
  bytes_.clear();
  return release(true);
}

std::string TextStream::release(bool all) {
  size_t found = std::string::npos;
  for (const std::string& stop : stops_) found = std::min(found, held_.find(stop));
  stopped_ = found != std::string::npos;
  size_t shown = stopped_ ? found : held_.size();
  if (!stopped_ && !all) {
    // The earliest place from which all that is held could still grow into a stop string.
    for (const std::string& stop : stops_)
      for (size_t length = std::min(stop.size() - 1, held_.size()); length > 0; --length)
        if (held_.compare(held_.size() - length, length, stop, 0, length) == 0) {
          shown = std::min(shown, held_.size() - length);
          break;
        }
  }
  std::string text = held_.substr(0, shown);
  held_.erase(0, shown);
  return text;
}

}  // namespace spectra::infer
