// SPDX-License-Identifier: Apache-2.0
#pragma once
// Token data is a directory:
//
//   tokens-0000i.bin     ids, u16 (vocabularies up to 65536) or u32, little endian
//   documents-0000i.bin  u64 little endian, ascending: index within tokens-0000i.bin of each document that starts there
//   data.json            {schema: "spectra.data/1", tokenizer_sha256, vocab, eos, token_bytes: 2 | 4, replaced_bytes,
//                         sources: [{path, sha256}],
//                         files: [{name, split, tokens, sha256, documents_name, documents, documents_sha256}]}
//   tokenizer.json       what made the ids
//
// A document ends with EOS. A split ("train", "valid") is one stream: its files in the order of data.json. Documents may run on
// into the next file.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"

namespace spectra::format {

/// What data.json says besides the files, which the writer and reader handle.
struct TokenDataInfo {
  std::string tokenizer_sha256;  ///< of tokenizer.json in the directory
  int64_t vocab = 0;             ///< entries of the tokenizer, not padded
  int32_t eos = 0;
  std::vector<std::pair<std::string, std::string>> sources;  ///< path as given, sha256
  uint64_t replaced_bytes = 0;                               ///< invalid UTF-8 that became U+FFFD
};

/// data.json as a whole. The parser alone is here for fuzzing.
struct TokenDataJson {
  struct File {
    std::string split, name, documents_name;
    std::string sha256, documents_sha256;
    uint64_t tokens = 0, documents = 0;
  };
  TokenDataInfo info;
  int32_t token_bytes = 2;
  std::vector<File> files;  ///< a split's files in stream order
};
/// Throws Error naming `where` and the key.
TokenDataJson parse_token_data_json(std::string_view text, const std::string& where);

/// Writes a token data directory that appears whole or not at all.
class TokenDataWriter {
 public:
  /// `token_bytes`: 2 when vocab <= 65536, else 4. Files are cut at `tokens_per_file`.
  TokenDataWriter(const fs::path& out, int64_t vocab, uint64_t tokens_per_file = uint64_t{1} << 30);
  /// Where to put tokenizer files before finish().
  const fs::path& path() const;
  /// Appends one document (with its EOS) to split "train" or "valid".
  void append(const std::string& split, const std::vector<uint32_t>& document);
  void finish(const TokenDataInfo& info);
  uint64_t tokens(const std::string& split) const;
  uint64_t documents(const std::string& split) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// One split as a stream of tokens, mapped.
class TokenStream {
 public:
  uint64_t size() const { return size_; }
  uint64_t documents() const { return documents_; }
  /// Copies tokens [begin, begin + count) to `out`. Checked against size().
  void read(uint64_t begin, uint64_t count, int32_t* out) const;
  /// Index of the first token of every document in the stream, ascending.
  std::vector<uint64_t> document_starts() const;

 private:
  friend class TokenData;
  struct Part {
    std::shared_ptr<MappedFile> tokens, documents;
    uint64_t begin;
    uint64_t count;
  };
  std::vector<Part> parts_;
  int width_ = 2;
  uint64_t size_ = 0, documents_ = 0;
};

class TokenData {
 public:
  /// Opens and checks sizes; `verify` also the sha256 of every file. Throws Error naming the file.
  explicit TokenData(const fs::path& path, bool verify = false);
  const TokenDataInfo& info() const { return info_; }
  const fs::path& path() const { return path_; }
  /// Of data.json: names the data in checkpoints and logs.
  const std::string& sha256() const { return sha256_; }
  bool has(const std::string& split) const;
  std::vector<std::string> split_names() const;
  /// Throws Error listing the splits there are.
  const TokenStream& split(const std::string& name) const;
  /// Throws Error when a token is not below info().vocab: damaged data. Scans everything.
  void check_tokens() const;

 private:
  fs::path path_;
  TokenDataInfo info_;
  std::string sha256_;
  std::vector<std::pair<std::string, TokenStream>> splits_;
};

}  // namespace spectra::format
