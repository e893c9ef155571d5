// SPDX-License-Identifier: Apache-2.0
#include "text/llama2c.h"

#include <cstring>
#include <vector>

#include "base/error.h"
#include "text/normalizer.h"
#include "text/scored_tokens.h"
#include "text/unicode.h"

namespace spectra::text {
namespace {

constexpr size_t kFirstByte = 3, kFirstPiece = kFirstByte + 256;

struct Token {
  float score;
  std::string text;
};

std::vector<Token> read_tokens(const fs::path& path) {
  const std::string bytes = read_file(path, size_t{1} << 28);
  std::vector<Token> tokens;
  size_t at = 4;  // behind the length of the longest token
  while (at < bytes.size()) {
    Token token{};
    int32_t length = -1;
    if (bytes.size() - at >= 8) {
      std::memcpy(&token.score, &bytes[at], 4);
      std::memcpy(&length, &bytes[at + 4], 4);
    }
    if (length < 0 || bytes.size() - at - 8 < static_cast<size_t>(length))
      throw bad_input(fmt::format("{}: token {} at byte {} is cut short", path.string(), tokens.size(), at),
                      "this must be a tokenizer file of llama2.c, such as tok512.bin");
    token.text = bytes.substr(at + 8, static_cast<size_t>(length));
    if (!is_valid_utf8(token.text))
      throw bad_input(fmt::format("{}: token {} at byte {} is not valid UTF-8", path.string(), tokens.size(), at));
    tokens.push_back(std::move(token));
    at += 8 + static_cast<size_t>(length);
  }
  if (tokens.size() < kFirstPiece)
    throw bad_input(
        fmt::format("{} holds {} tokens; <unk>, <s>, </s> and 256 bytes alone are {}", path.string(), tokens.size(), kFirstPiece),
        "this must be a tokenizer file of llama2.c, such as tok512.bin");
  return tokens;
}

/// The spelling of token `id` in tokenizer.json. llama2.c's own files write <s> between newlines and spaces as they are.
std::string spelling(size_t id, const Token& token) {
  static const char* const kSpecial[] = {"<unk>", "<s>", "</s>"};
  if (id < kFirstByte) return kSpecial[id];
  if (id < kFirstPiece) return fmt::format("<0x{:02X}>", id - kFirstByte);
  return replace_all(token.text, " ", kSpaceMarker);
}

}  // namespace

std::string tokenizer_json_from_llama2c(const fs::path& path) {
  const std::vector<Token> tokens = read_tokens(path);
  std::vector<ScoredToken> scored;
  for (size_t id = 0; id < tokens.size(); ++id)
    scored.push_back({spelling(id, tokens[id]), tokens[id].score, id >= kFirstPiece, id < kFirstByte});
  return scored_tokenizer_json(scored, 0, 1, true, path.string());
}

}  // namespace spectra::text
