// SPDX-License-Identifier: Apache-2.0
#include "format/token_stream.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace spectra::format {
namespace {

constexpr const char* kStreamHint = "the data is damaged or of another tokenizer: copy it again, or make it again";

/// Copies `count` tokens of type T; returns the first that is not below `vocab`, or `count`.
template <class T>
uint64_t copy_tokens(const TokenPart& part, uint64_t begin, uint64_t count, int64_t vocab, int32_t* out) {
  const std::byte* from = part.tokens->bytes().data() + part.offset + begin * sizeof(T);
  uint64_t bad = count;
  for (uint64_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, from + i * sizeof(T), sizeof(T));  // a header may leave tokens unaligned
    const auto token = static_cast<int64_t>(value);
    if (token < 0 || token >= vocab) bad = std::min(bad, i);
    out[i] = static_cast<int32_t>(token);
  }
  return bad;
}

uint64_t copy_part(const TokenPart& part, uint64_t begin, uint64_t count, int64_t vocab, int32_t* out) {
  switch (part.type) {
    case TokenType::kU8:
      return copy_tokens<uint8_t>(part, begin, count, vocab, out);
    case TokenType::kI8:
      return copy_tokens<int8_t>(part, begin, count, vocab, out);
    case TokenType::kI16:
      return copy_tokens<int16_t>(part, begin, count, vocab, out);
    case TokenType::kU16:
      return copy_tokens<uint16_t>(part, begin, count, vocab, out);
    case TokenType::kI32:
      return copy_tokens<int32_t>(part, begin, count, vocab, out);
    case TokenType::kU32:
      return copy_tokens<uint32_t>(part, begin, count, vocab, out);
    case TokenType::kI64:
      return copy_tokens<int64_t>(part, begin, count, vocab, out);
  }
  SPECTRA_CHECK(false, "token type {}", static_cast<int>(part.type));
  return 0;
}

int64_t stored_token(const TokenPart& part, uint64_t at) {
  const std::byte* from = part.tokens->bytes().data() + part.offset + at * token_bytes(part.type);
  if (part.type == TokenType::kI64) {  // the only type that an int32 does not show faithfully in a message
    int64_t value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  int32_t value = 0;
  copy_part(part, at, 1, 0, &value);
  return part.type == TokenType::kU32 ? static_cast<int64_t>(static_cast<uint32_t>(value)) : value;
}

/// The first document of `index` that starts at or after token `at` of its file.
uint64_t first_document(const DocumentIndex& index, uint64_t at) {
  uint64_t first = 0, last = index.count();
  while (first < last) {
    const uint64_t middle = first + (last - first) / 2;
    if (index.start(middle) < at)
      first = middle + 1;
    else
      last = middle;
  }
  return first;
}

}  // namespace

uint64_t token_bytes(TokenType type) {
  switch (type) {
    case TokenType::kU8:
    case TokenType::kI8:
      return 1;
    case TokenType::kI16:
    case TokenType::kU16:
      return 2;
    case TokenType::kI32:
    case TokenType::kU32:
      return 4;
    case TokenType::kI64:
      return 8;
  }
  SPECTRA_CHECK(false, "token type {}", static_cast<int>(type));
  return 0;
}

void TokenStream::append(TokenPart part) {
  part.begin = size_;
  size_ += part.count;
  parts_.push_back(std::move(part));
}

std::optional<uint64_t> TokenStream::documents() const {
  uint64_t total = 0;
  for (const TokenPart& part : parts_) {
    if (part.documents == nullptr) return std::nullopt;
    total += part.documents->count();
  }
  return total;
}

std::vector<TokenPart>::const_iterator TokenStream::part_at(uint64_t token) const {
  // The last part that begins at or before `token`; parts without tokens before it begin at the same place and are passed over.
  const auto after =
      std::upper_bound(parts_.begin(), parts_.end(), token, [](uint64_t at, const TokenPart& p) { return at < p.begin; });
  return after == parts_.begin() ? after : after - 1;
}

void TokenStream::read(uint64_t begin, uint64_t count, int32_t* out) const {
  SPECTRA_CHECK(begin <= size_ && count <= size_ - begin, "begin={} count={} size={}", begin, count, size_);
  for (auto part = part_at(begin); count > 0; ++part) {
    const uint64_t offset = begin - part->begin, here = std::min(count, part->count - offset);
    if (const uint64_t bad = copy_part(*part, offset, here, vocab_, out); bad < here)
      throw bad_input(fmt::format("{}: token {} is {}, the vocabulary ends at {}", part->tokens->path().string(), offset + bad,
                                  stored_token(*part, offset + bad), vocab_ - 1),
                      kStreamHint);
    begin += here;
    count -= here;
    out += here;
  }
}

void TokenStream::append_starts(const TokenPart& part, uint64_t begin, uint64_t end, std::vector<uint64_t>& starts) const {
  const DocumentIndex& index = *part.documents;
  const uint64_t count = index.count(), from = begin > part.begin ? begin - part.begin : 0;
  const bool may_be_empty = index.may_be_empty();
  std::optional<uint64_t> previous;
  for (uint64_t i = first_document(index, from); i < count; ++i) {
    const uint64_t start = index.start(i);
    const bool ordered = start >= from && (!previous || start > *previous || (may_be_empty && start == *previous));
    if (!ordered || start > part.count || (start == part.count && !may_be_empty))
      throw bad_input(fmt::format("{}: document {} starts at token {}, which is out of order or outside the {} tokens",
                                  index.path().string(), i, start, part.count),
                      kStreamHint);
    if (start == part.count || part.begin + start >= end) return;
    if (!previous || start > *previous) starts.push_back(part.begin + start);
    previous = start;
  }
}

void TokenStream::append_eos_starts(const TokenPart& part, uint64_t begin, uint64_t end, std::vector<uint64_t>& starts) const {
  const uint64_t from = std::max(begin, part.begin), to = std::min(end, part.begin + part.count);
  std::vector<int32_t> tokens(to - from);
  copy_part(part, from - part.begin, to - from, vocab_, tokens.data());
  for (uint64_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] == eos_) starts.push_back(from + i);
}

std::vector<uint64_t> TokenStream::document_starts(uint64_t begin, uint64_t end) const {
  std::vector<uint64_t> starts;
  end = std::min(end, size_);
  if (begin >= end) return starts;
  for (auto part = part_at(begin); part != parts_.end() && part->begin < end; ++part) {
    if (part->documents != nullptr)
      append_starts(*part, begin, end, starts);
    else
      append_eos_starts(*part, begin, end, starts);
  }
  return starts;
}

std::optional<uint64_t> TokenStream::document_number(uint64_t at) const {
  uint64_t before = 0;  // documents that start at or before `at`
  for (const TokenPart& part : parts_) {
    if (part.begin > at) break;
    if (part.documents == nullptr) return std::nullopt;
    before += first_document(*part.documents, at - part.begin + 1);
  }
  return before == 0 ? std::nullopt : std::optional<uint64_t>(before - 1);
}

}  // namespace spectra::format
