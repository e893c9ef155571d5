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
#include "format/token_stream.h"

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

/// Token data of any format that can be read: a directory as above, a Megatron pair (format/megatron.h) or shards of llm.c
/// (format/llmc.h). The last two hold no tokenizer: set_tokenizer() names it before tokens are read.
class TokenData {
 public:
  /// Whether there is something at `path` that the constructor would take for token data.
  static bool recognize(const fs::path& path);
  /// Opens and checks sizes; `verify` as verify(). Throws Error naming the file.
  explicit TokenData(const fs::path& path, bool verify = false);
  const fs::path& path() const { return path_; }
  const char* format() const { return format_; }  ///< "spectra", "megatron" or "llm.c"
  /// vocab is 0 until the tokenizer is known.
  const TokenDataInfo& info() const { return info_; }
  bool has_tokenizer() const { return info_.vocab > 0; }
  void set_tokenizer(const std::string& sha256, int64_t vocab, int32_t eos);
  /// Names the data in checkpoints and logs: of data.json; of other formats over sizes and samples of the files (see
  /// fingerprint()).
  const std::string& sha256() const { return sha256_; }
  uint64_t bytes() const;  ///< of all token and document files
  bool has(const std::string& split) const;
  std::vector<std::string> split_names() const;
  /// Throws Error listing the splits there are.
  const TokenStream& split(const std::string& name) const;

  /// Reads every file: its sha256 where data.json has one, else what the format allows to check. Throws Error naming the file.
  void verify() const;
  /// Throws Error when a token is not below info().vocab: damaged data. Scans everything.
  void check_tokens() const;

 private:
  struct File {
    std::shared_ptr<MappedFile> file;
    std::string sha256;  ///< as recorded; empty = not recorded
  };
  void open_directory();
  /// `files`: those beside the tokens.
  void open_foreign(std::vector<std::pair<std::string, TokenPart>> parts, const char* format,
                    std::vector<std::shared_ptr<MappedFile>> files);
  void append(const std::string& split, TokenPart part);

  fs::path path_;
  const char* format_ = "spectra";
  TokenDataInfo info_;
  std::string sha256_;
  std::vector<File> files_;
  std::vector<std::pair<std::string, TokenStream>> splits_;
};

/// Names files that record no hash without reading all of them: sha256 over, file by file, the size and 64 blocks of 64 KiB spread
/// evenly (a file of up to 4 MiB is hashed whole).
std::string fingerprint(const std::vector<std::shared_ptr<MappedFile>>& files);

}  // namespace spectra::format
