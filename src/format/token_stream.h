// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tokens of one split as a stream over mapped files, whatever format the files have. Nothing is read before it is asked for: token
// data may be far larger than memory.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"

namespace spectra::format {

/// How a token lies in a file, little endian.
enum class TokenType : uint8_t { kU8, kI8, kI16, kU16, kI32, kU32, kI64 };
uint64_t token_bytes(TokenType type);

/// Where documents start in one file.
class DocumentIndex {
 public:
  virtual ~DocumentIndex() = default;
  virtual uint64_t count() const = 0;
  /// First token of document i < count(), counted from the file's first token. Unchecked: TokenStream does that.
  virtual uint64_t start(uint64_t i) const = 0;
  virtual const fs::path& path() const = 0;
  /// Documents without a token are possible: they start where the next one does, or where the file ends.
  virtual bool may_be_empty() const = 0;
};

/// One file of a stream.
struct TokenPart {
  std::shared_ptr<MappedFile> tokens;
  TokenType type = TokenType::kU16;
  uint64_t offset = 0;                             ///< bytes before the first token
  uint64_t count = 0;                              ///< tokens
  std::shared_ptr<const DocumentIndex> documents;  ///< null: not recorded; a document then begins at each EOS
  uint64_t begin = 0;                              ///< tokens of the stream before this part; set by TokenStream::append
};

class TokenStream {
 public:
  void append(TokenPart part);
  /// Tokens must lie below `vocab`; `eos` marks documents where no index does.
  void set_tokens(int64_t vocab, int32_t eos) { vocab_ = vocab, eos_ = eos; }

  uint64_t size() const { return size_; }
  /// nullopt where the format does not record documents.
  std::optional<uint64_t> documents() const;
  /// Copies tokens [begin, begin + count) to `out`. Throws Error naming file and index where one is not below the vocabulary:
  /// damaged data, or data of another tokenizer. The range is checked against size().
  void read(uint64_t begin, uint64_t count, int32_t* out) const;
  /// Index of the first token of every document that starts within [begin, end), ascending; found by bisection, so only the range's
  /// own part of an index is read. Throws Error naming the file where the index is damaged.
  std::vector<uint64_t> document_starts(uint64_t begin, uint64_t end) const;
  std::vector<uint64_t> document_starts() const { return document_starts(0, size_); }
  /// Number, from 0, of the document that holds token `at`; nullopt where documents are not recorded.
  std::optional<uint64_t> document_number(uint64_t at) const;

 private:
  std::vector<TokenPart>::const_iterator part_at(uint64_t token) const;
  void append_starts(const TokenPart& part, uint64_t begin, uint64_t end, std::vector<uint64_t>& starts) const;
  void append_eos_starts(const TokenPart& part, uint64_t begin, uint64_t end, std::vector<uint64_t>& starts) const;

  std::vector<TokenPart> parts_;
  uint64_t size_ = 0;
  int64_t vocab_ = 0;
  int32_t eos_ = -1;
};

}  // namespace spectra::format
