// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "text/decompress.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"
#include "text/word_cache.h"

namespace spectra::text {

struct Tokenizer::Impl {
  std::string json, sha256;
  TokenizerParts parts;
};

Tokenizer Tokenizer::load(const fs::path& path) {
  if (!fs::is_directory(path)) return parse(read_decompressed(path), path.string());
  const fs::path file = path / "tokenizer.json", config = path / "tokenizer_config.json";
  if (!fs::exists(file))
    throw bad_input(fmt::format("{} holds no tokenizer.json", path.string()), "give a tokenizer.json, or a directory with one");
  return parse(read_decompressed(file), file.string(), fs::exists(config) ? read_decompressed(config) : "");
}

Tokenizer Tokenizer::parse(const std::string& document, const std::string& where, const std::string& config) {
  Tokenizer tokenizer;
  tokenizer.impl_ =
      std::make_shared<const Impl>(Impl{document, spectra::sha256(document), read_tokenizer_json(document, config, where)});
  return tokenizer;
}

std::vector<uint32_t> Tokenizer::encode(std::string_view text, bool allow_special, uint64_t* replaced, WordCache* cache) const {
  const TokenizerParts& parts = impl_->parts;
  std::string sanitized, normalized;
  if (!is_valid_utf8(text)) text = sanitized = sanitize_utf8(text, replaced);
  WordCache own;
  WordCache& words = cache != nullptr ? *cache : own;

  std::vector<uint32_t> ids;
  const Sink on_word = [&](std::string_view word) {
    if (words.find(word, ids)) return;
    const size_t from = ids.size();
    parts.bpe.encode(word, ids);
    words.keep(word, ids, from);
  };
  const auto on_token = [&](uint32_t id) { ids.push_back(id); };
  parts.raw_tokens.split(text, allow_special, on_token, [&](std::string_view piece) {
    parts.normalized_tokens.split(parts.normalizer.apply(piece, normalized), allow_special, on_token,
                                  [&](std::string_view rest) { parts.pre_tokenizer.split(rest, on_word); });
  });
  return ids;
}

namespace {
/// Drops up to `count` spaces from the start: the one that the normalizer of a Llama-2 tokenizer put there.
void strip_leading_spaces(std::string& text, size_t count) { text.erase(0, std::min(count, text.find_first_not_of(' '))); }
}  // namespace

std::string Tokenizer::piece(uint32_t id, int64_t previous) const {
  const TokenizerParts& parts = impl_->parts;
  if (id >= parts.bytes.size() || parts.special[id]) return {};
  std::string bytes = parts.bytes[id];
  const bool after_bos = previous >= 0 && previous == parts.bos && is_special(static_cast<uint32_t>(previous));
  if (previous < 0 || after_bos) strip_leading_spaces(bytes, parts.strip_spaces);
  return bytes;
}

std::string Tokenizer::decode(const std::vector<uint32_t>& ids, bool keep_special) const {
  const TokenizerParts& parts = impl_->parts;
  std::string text;
  for (const uint32_t id : ids)
    if (id < parts.bytes.size() && (keep_special || !parts.special[id])) text += parts.bytes[id];
  strip_leading_spaces(text, parts.strip_spaces);
  return text;
}

int64_t Tokenizer::vocab_size() const { return static_cast<int64_t>(impl_->parts.bytes.size()); }
int32_t Tokenizer::bos() const { return impl_->parts.bos; }
int32_t Tokenizer::eos() const { return impl_->parts.eos; }
bool Tokenizer::adds_bos() const { return impl_->parts.adds_bos; }

std::vector<int32_t> Tokenizer::with_bos(const std::vector<uint32_t>& ids) const {
  std::vector<int32_t> all;
  if ((adds_bos() || ids.empty()) && bos() >= 0) all.push_back(bos());
  all.insert(all.end(), ids.begin(), ids.end());
  return all;
}

bool Tokenizer::is_special(uint32_t id) const { return id < impl_->parts.special.size() && impl_->parts.special[id]; }
const std::string& Tokenizer::sha256() const { return impl_->sha256; }
const std::string& Tokenizer::json() const { return impl_->json; }

}  // namespace spectra::text
