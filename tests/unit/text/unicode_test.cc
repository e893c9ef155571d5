// SPDX-License-Identifier: Apache-2.0
#include "text/unicode.h"

#include <gtest/gtest.h>
#include <utf8proc.h>

#include "base/rng.h"
#include "text/byte_level.h"
#include "text/tokenizer.h"

namespace spectra::text {
namespace {

const std::string kBad = "\xEF\xBF\xBD";

/// `bytes` sanitized, with U+FFFD shown as "#".
std::string shown(const std::string& bytes) {
  std::string text = sanitize_utf8(bytes);
  for (size_t at = text.find(kBad); at != std::string::npos; at = text.find(kBad)) text.replace(at, kBad.size(), "#");
  return text;
}

// The examples of the Unicode standard, section 3.9, tables 3-8 to 3-11.
TEST(Utf8, MaximalSubpartsAreReplaced) {
  EXPECT_EQ(shown("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), "########A");  // non-shortest forms
  EXPECT_EQ(shown("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), "########A");  // surrogates
  EXPECT_EQ(shown("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), "#####A##B");  // beyond U+10FFFF and other bytes
  EXPECT_EQ(shown("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), "####A");      // sequences cut short
  EXPECT_EQ(shown("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"), "a###b#c##d");
}

TEST(Utf8, ReplacedBytesAreCounted) {
  uint64_t replaced = 0;
  sanitize_utf8("fine \xE1\x80 and \xFF", &replaced);
  EXPECT_EQ(replaced, 3u);
  EXPECT_EQ(sanitize_utf8("", &replaced), "");
  EXPECT_EQ(replaced, 3u);
}

TEST(Utf8, ValidTextStays) {
  std::string all;
  for (char32_t c = 1; c < 0x110000; c += 7)
    if (c < 0xD800 || c > 0xDFFF) append_utf8(all, c);
  EXPECT_TRUE(is_valid_utf8(all));
  EXPECT_EQ(sanitize_utf8(all), all);
  EXPECT_FALSE(is_valid_utf8("12345678901234567\xC3"));
  size_t at = 0;
  EXPECT_EQ(next_code_point("\xF0\x9F\xA6\x99", at), char32_t{0x1F999});
  EXPECT_EQ(at, 4u);
}

std::string utf8proc_nfc(const std::string& text) {
  utf8proc_uint8_t* result = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                                 &result, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  std::string normalized(reinterpret_cast<char*>(result), static_cast<size_t>(size));
  std::free(result);
  return normalized;
}

TEST(Nfc, EveryCharacterAloneAndBetweenOthers) {
  for (char32_t c = 1; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    ASSERT_EQ(nfc(text), utf8proc_nfc(text)) << std::hex << static_cast<uint32_t>(c);
    text = "o" + text + "\xCC\xA3";  // U+0323 is a mark below, which is ordered before marks above
    ASSERT_EQ(nfc(text), utf8proc_nfc(text)) << std::hex << static_cast<uint32_t>(c);
  }
}

TEST(Nfc, RandomStringsOfWhatComposes) {
  // Latin letters, marks of several classes, Hangul letters and syllables, Indic vowels, singletons, compatibility characters.
  const char32_t pool[] = {'a',    'e',    'o',    ' ',    0xE9,   0x1ED9, 0x300, 0x301,   0x307,  0x323, 0x327,
                           0x345,  0x1100, 0x1161, 0x11A8, 0xAC00, 0xAC01, 0x9C7, 0x9BE,   0xB47,  0xB56, 0x212B,
                           0x2126, 0xFB01, 0x1E9B, 0x958,  0xFB1D, 0x5D9,  0x5B4, 0x110B9, 0x110BA};
  Rng rng(7);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (uint64_t length = rng.below(9); length > 0; --length) append_utf8(text, pool[rng.below(std::size(pool))]);
    ASSERT_EQ(nfc(text), utf8proc_nfc(text)) << text;
    ASSERT_EQ(nfc(nfc(text)), nfc(text)) << text;
  }
}

TEST(ByteAlphabet, KnownSymbolsAndRoundTrip) {
  EXPECT_EQ(to_symbols(" \n\tA~"),
            "\xC4\xA0\xC4\x8A\xC4\x89"
            "A~");
  std::string all, bytes;
  for (int b = 0; b < 256; ++b) all.push_back(static_cast<char>(b));
  EXPECT_TRUE(from_symbols(to_symbols(all), bytes));
  EXPECT_EQ(bytes, all);
  EXPECT_FALSE(from_symbols(" ", bytes));
  EXPECT_FALSE(from_symbols("\xC5\x84", bytes));  // U+0144, one behind the last
}

}  // namespace
}  // namespace spectra::text
