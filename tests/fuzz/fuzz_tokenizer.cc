// SPDX-License-Identifier: Apache-2.0
// Tokenizer files and text from strangers. The input is a tokenizer.json, optionally followed by a zero byte and a text to encode.
// Whatever loads must encode any text, and what it makes must decode.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "text/tokenizer.h"

namespace {

const char* const kTexts[] = {"Hello  world, it's 12:30!", "na\xC3\xAFve \xF0\x9F\xA6\x99\n\n\t e\xCC\x81",
                              "\xFF\xC0 <|endoftext|> broken \xE1\x80"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using spectra::text::Tokenizer;
  const std::string input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\0');
  try {
    const Tokenizer tokenizer = Tokenizer::parse(input.substr(0, end), "fuzz");
    std::string texts[4] = {kTexts[0], kTexts[1], kTexts[2], end == std::string::npos ? "" : input.substr(end + 1)};
    for (const std::string& text : texts) {
      for (const bool special : {false, true}) {
        int64_t previous = -1;
        for (const uint32_t id : tokenizer.encode(text, special)) {
          if (id >= tokenizer.vocab_size()) __builtin_trap();
          tokenizer.piece(id, previous);
          previous = id;
        }
        tokenizer.decode(tokenizer.encode(text, special), true);
      }
    }
  } catch (const spectra::Error&) {  // refused, with a message
  }
  return 0;
}
