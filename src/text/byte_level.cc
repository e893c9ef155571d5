// SPDX-License-Identifier: Apache-2.0
#include "text/byte_level.h"

#include <array>

#include "text/unicode.h"

namespace spectra::text {
namespace {

constexpr char32_t kEnd = 0x144;  // 0x100 + the 68 bytes that are not printable

struct Alphabet {
  std::array<char32_t, 256> symbol{};
  std::array<int, kEnd> byte{};
  Alphabet() {
    byte.fill(-1);
    char32_t next = 0x100;
    for (unsigned b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
      symbol[b] = printable ? b : next++;
      byte[symbol[b]] = static_cast<int>(b);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

char32_t byte_symbol(uint8_t byte) { return alphabet().symbol[byte]; }

std::string to_symbols(std::string_view bytes) {
  std::string symbols;
  for (const char byte : bytes) append_utf8(symbols, byte_symbol(static_cast<uint8_t>(byte)));
  return symbols;
}

bool from_symbols(std::string_view symbols, std::string& bytes) {
  bytes.clear();
  for (size_t at = 0; at < symbols.size();) {
    const char32_t symbol = next_code_point(symbols, at);
    if (symbol >= kEnd || alphabet().byte[symbol] < 0) return false;
    bytes.push_back(static_cast<char>(alphabet().byte[symbol]));
  }
  return true;
}

}  // namespace spectra::text
