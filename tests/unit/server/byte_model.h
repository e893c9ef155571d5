// SPDX-License-Identifier: Apache-2.0
#pragma once
// A small model of random weights whose tokens are bytes, and an end of text.
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/file.h"
#include "server/served_model.h"
#include "unit/infer/models.h"

namespace spectra::test {

constexpr int32_t kEndOfText = 256;

/// Byte-level BPE without merges: token i < 256 is byte i. Printable bytes stand for themselves, others for code points from 256
/// on.
inline std::string byte_tokenizer_json() {
  nlohmann::json vocab;
  for (int byte = 0, extra = 256; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    const int point = printable ? byte : extra++;
    const std::string utf8 = point < 128
                                 ? std::string(1, static_cast<char>(point))
                                 : std::string{static_cast<char>(0xc0 | (point >> 6)), static_cast<char>(0x80 | (point & 63))};
    vocab[utf8] = byte;
  }
  const nlohmann::json end = {{"id", kEndOfText},    {"content", "<|endoftext|>"}, {"special", true},
                              {"normalized", false}, {"single_word", false},       {"lstrip", false},
                              {"rstrip", false}};
  const nlohmann::json json = {
      {"added_tokens", {end}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}},
      {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", nlohmann::json::array()}}}};
  return json.dump();
}

/// Writes it as a packed model directory.
inline void write_byte_model(const fs::path& directory) {
  model::Config config = small_config(model::Family::kTernary);
  config.vocab = 300;
  write_packed(random_model(config, 2, 1), directory, lowbit::Format::kTern2);
  write_file(directory / "tokenizer.json", byte_tokenizer_json());
}

}  // namespace spectra::test
