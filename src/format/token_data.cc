// SPDX-License-Identifier: Apache-2.0
#include "format/token_data.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "base/error.h"
#include "base/hash.h"
#include "format/llmc.h"
#include "format/megatron.h"
#include "format/strict_json.h"

namespace spectra::format {
namespace {

using nlohmann::json;

constexpr size_t kMaxJsonBytes = size_t{64} << 20;
constexpr const char* kDataHint = "the data is damaged or incomplete: copy it again, or make it again with spectra prepare";

/// The value of object[key], of type T. Throws Error naming the key.
template <class T>
T field(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) throw bad_input(fmt::format("{}: {} is missing", where, key), kDataHint);
  bool fits = false;
  if constexpr (std::is_same_v<T, std::string>)
    fits = found->is_string();
  else
    fits = found->is_number_unsigned() && found->get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<T>::max());
  if (!fits)
    throw bad_input(fmt::format("{}: {} is {}, which is out of range or of the wrong type", where, key, found->dump()), kDataHint);
  return found->get<T>();
}

const json& array_field(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) throw bad_input(fmt::format("{}: {} is not an array", where, key), kDataHint);
  return *found;
}

/// A plain file name: data from a stranger must not open files elsewhere.
std::string file_name(const json& object, const char* key, const std::string& where) {
  const auto name = field<std::string>(object, key, where);
  if (name.empty() || name != fs::path(name).filename() || name == "." || name == "..")
    throw bad_input(fmt::format("{}: {} \"{}\" is not a file name", where, key, name), kDataHint);
  return name;
}

/// Maps a file that must hold exactly `count` items (`what`) of `width` bytes.
std::shared_ptr<MappedFile> map_exact(const fs::path& path, uint64_t count, uint64_t width, const char* what) {
  auto file = std::make_shared<MappedFile>(path);
  const uint64_t seen = file->bytes().size();
  uint64_t expected = 0;
  if (__builtin_mul_overflow(count, width, &expected) || seen != expected)
    throw bad_input(fmt::format("{} has {} bytes, data.json says {} {} of {} bytes", path.string(), seen, count, what, width),
                    kDataHint);
  return file;
}

/// documents-0000i.bin.
class Documents final : public DocumentIndex {
 public:
  explicit Documents(std::shared_ptr<MappedFile> file) : file_(std::move(file)) {}
  uint64_t count() const override { return file_->bytes().size() / sizeof(uint64_t); }
  uint64_t start(uint64_t i) const override {
    uint64_t value;
    std::memcpy(&value, file_->bytes().data() + i * sizeof value, sizeof value);
    return value;
  }
  const fs::path& path() const override { return file_->path(); }
  bool may_be_empty() const override { return false; }

 private:
  std::shared_ptr<MappedFile> file_;
};

}  // namespace

TokenDataJson parse_token_data_json(std::string_view text, const std::string& where) {
  const json document = parse_json_object(text, where);
  if (const auto schema = field<std::string>(document, "schema", where); schema != "spectra.data/1")
    throw bad_input(fmt::format("{}: schema is {}, this version reads spectra.data/1", where, schema));
  TokenDataJson data;
  data.info.tokenizer_sha256 = field<std::string>(document, "tokenizer_sha256", where);
  data.info.vocab = field<int64_t>(document, "vocab", where);
  data.info.eos = field<int32_t>(document, "eos", where);
  data.info.replaced_bytes = field<uint64_t>(document, "replaced_bytes", where);
  data.token_bytes = field<int32_t>(document, "token_bytes", where);
  if (data.token_bytes != 2 && data.token_bytes != 4)
    throw bad_input(fmt::format("{}: token_bytes is {}, allowed are 2 and 4", where, data.token_bytes), kDataHint);
  if (data.info.eos >= data.info.vocab)
    throw bad_input(fmt::format("{}: eos {} is not below vocab {}", where, data.info.eos, data.info.vocab), kDataHint);
  for (const json& source : array_field(document, "sources", where))
    data.info.sources.emplace_back(field<std::string>(source, "path", where), field<std::string>(source, "sha256", where));
  for (const json& entry : array_field(document, "files", where)) {
    TokenDataJson::File file;
    file.split = field<std::string>(entry, "split", where);
    file.name = file_name(entry, "name", where);
    file.documents_name = file_name(entry, "documents_name", where);
    file.sha256 = field<std::string>(entry, "sha256", where);
    file.documents_sha256 = field<std::string>(entry, "documents_sha256", where);
    file.tokens = field<uint64_t>(entry, "tokens", where);
    file.documents = field<uint64_t>(entry, "documents", where);
    data.files.push_back(std::move(file));
  }
  return data;
}

std::string fingerprint(const std::vector<std::shared_ptr<MappedFile>>& files) {
  constexpr uint64_t kBlock = uint64_t{64} << 10, kBlocks = 64;
  Sha256 hash;
  for (const auto& file : files) {
    const auto bytes = file->bytes();
    const uint64_t size = bytes.size();
    hash.update(&size, sizeof size);
    if (size <= kBlock * kBlocks) {
      hash.update(bytes.data(), size);
      continue;
    }
    const uint64_t room = size - kBlock;  // the last block ends with the file
    for (uint64_t i = 0; i < kBlocks; ++i)
      hash.update(bytes.data() + room / (kBlocks - 1) * i + room % (kBlocks - 1) * i / (kBlocks - 1), kBlock);
  }
  return hash.hex();
}

bool TokenData::recognize(const fs::path& path) {
  return fs::exists(path / "data.json") || !megatron_index_path(path).empty() || is_llmc(path);
}

TokenData::TokenData(const fs::path& path, bool verify_all) : path_(path) {
  if (fs::exists(path / "data.json")) {
    open_directory();
  } else if (const fs::path index = megatron_index_path(path); !index.empty()) {
    open_foreign({{"train", open_megatron(index, false)}}, "megatron", {std::make_shared<MappedFile>(index)});
  } else if (is_llmc(path)) {
    open_foreign(open_llmc(path), "llm.c", {});
  } else {
    throw bad_input(
        fmt::format("{} is not token data: it has no data.json, and is neither a Megatron pair nor shards of llm.c", path.string()),
        "make token data with spectra prepare");
  }
  if (verify_all) verify();
}

void TokenData::append(const std::string& split, TokenPart part) {
  const auto same = [&](const auto& entry) { return entry.first == split; };
  auto found = std::find_if(splits_.begin(), splits_.end(), same);
  if (found == splits_.end()) found = splits_.insert(splits_.end(), {split, TokenStream()});
  found->second.append(std::move(part));
}

void TokenData::open_directory() {
  const fs::path index = path_ / "data.json";
  const std::string text = read_file(index, kMaxJsonBytes);
  sha256_ = spectra::sha256(text);
  TokenDataJson data = parse_token_data_json(text, index.string());
  for (const TokenDataJson::File& file : data.files) {
    TokenPart part;
    part.tokens = map_exact(path_ / file.name, file.tokens, static_cast<uint64_t>(data.token_bytes), "tokens");
    part.type = data.token_bytes == 2 ? TokenType::kU16 : TokenType::kU32;
    part.count = file.tokens;
    const auto starts = map_exact(path_ / file.documents_name, file.documents, sizeof(uint64_t), "document starts");
    part.documents = std::make_shared<Documents>(starts);
    files_.push_back({part.tokens, file.sha256});
    files_.push_back({starts, file.documents_sha256});
    append(file.split, std::move(part));
  }
  info_ = std::move(data.info);
  set_tokenizer(info_.tokenizer_sha256, info_.vocab, info_.eos);
}

void TokenData::open_foreign(std::vector<std::pair<std::string, TokenPart>> parts, const char* format,
                             std::vector<std::shared_ptr<MappedFile>> files) {
  format_ = format;
  for (auto& part : parts) {
    files.push_back(part.second.tokens);
    append(part.first, std::move(part.second));
  }
  for (const auto& file : files) files_.push_back({file, ""});
  sha256_ = fingerprint(files);
}

void TokenData::set_tokenizer(const std::string& sha256, int64_t vocab, int32_t eos) {
  info_.tokenizer_sha256 = sha256;
  info_.vocab = vocab;
  info_.eos = eos;
  for (auto& split : splits_) split.second.set_tokens(vocab, eos);
}

uint64_t TokenData::bytes() const {
  uint64_t total = 0;
  for (const File& file : files_) total += file.file->bytes().size();
  return total;
}

bool TokenData::has(const std::string& split) const {
  return std::any_of(splits_.begin(), splits_.end(), [&](const auto& entry) { return entry.first == split; });
}

std::vector<std::string> TokenData::split_names() const {
  std::vector<std::string> names;
  for (const auto& split : splits_) names.push_back(split.first);
  return names;
}

const TokenStream& TokenData::split(const std::string& name) const {
  for (const auto& entry : splits_)
    if (entry.first == name) return entry.second;
  throw bad_input(fmt::format("{} has no split \"{}\"", path_.string(), name),
                  splits_.empty() ? "it holds no tokens at all" : fmt::format("it has: {}", fmt::join(split_names(), ", ")));
}

void TokenData::verify() const {
  for (const File& file : files_) {
    if (file.sha256.empty()) continue;
    Sha256 hash;
    hash.update(file.file->bytes().data(), file.file->bytes().size());
    if (const std::string hex = hash.hex(); hex != file.sha256)
      throw bad_input(
          fmt::format("{} is damaged: its sha256 is {}, data.json says {}", file.file->path().string(), hex, file.sha256),
          kDataHint);
  }
  if (const fs::path index = megatron_index_path(path_); std::string_view(format_) == "megatron") open_megatron(index, true);
  const fs::path tokenizer = path_ / "tokenizer.json";
  if (std::string_view(format_) == "spectra" && fs::exists(tokenizer) && sha256_file(tokenizer) != info_.tokenizer_sha256)
    throw bad_input(fmt::format("{} is not the tokenizer that made this data", tokenizer.string()), kDataHint);
}

void TokenData::check_tokens() const {
  constexpr uint64_t kChunk = uint64_t{1} << 16;
  std::vector<int32_t> tokens(kChunk);
  for (const auto& entry : splits_)
    for (uint64_t begin = 0; begin < entry.second.size(); begin += kChunk)
      entry.second.read(begin, std::min(kChunk, entry.second.size() - begin), tokens.data());
}

}  // namespace spectra::format
