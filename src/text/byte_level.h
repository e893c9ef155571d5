// SPDX-License-Identifier: Apache-2.0
#pragma once
// The byte-level alphabet of GPT-2: every byte has a printable character, so that vocabulary files are plain text. Printable
// Latin-1 characters stand for themselves, the other bytes for U+0100 and up in order: space is U+0120 "Ġ", newline U+010A "Ċ".
#include <cstdint>
#include <string>
#include <string_view>

namespace spectra::text {

char32_t byte_symbol(uint8_t byte);
/// `bytes` spelled in the alphabet (UTF-8).
std::string to_symbols(std::string_view bytes);
/// The bytes spelled by `symbols`. False where a character is outside the alphabet.
bool from_symbols(std::string_view symbols, std::string& bytes);

}  // namespace spectra::text
