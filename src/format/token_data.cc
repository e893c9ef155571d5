// SPDX-License-Identifier: Apache-2.0
#include "format/token_data.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "format/strict_json.h"

namespace spectra::format {
namespace {

using nlohmann::json;

constexpr size_t kMaxJsonBytes = size_t{64} << 20;
constexpr const char* kHint = "the data is damaged or incomplete: copy it again, or make it again with spectra prepare";

/// The value of object[key], of type T. Throws Error naming the key.
template <class T>
T field(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) throw bad_input(fmt::format("{}: {} is missing", where, key), kHint);
  bool fits = false;
  if constexpr (std::is_same_v<T, std::string>)
    fits = found->is_string();
  else
    fits = found->is_number_unsigned() && found->get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<T>::max());
  if (!fits)
    throw bad_input(fmt::format("{}: {} is {}, which is out of range or of the wrong type", where, key, found->dump()), kHint);
  return found->get<T>();
}

const json& array_field(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) throw bad_input(fmt::format("{}: {} is not an array", where, key), kHint);
  return *found;
}

/// A plain file name: data from a stranger must not open files elsewhere.
std::string file_name(const json& object, const char* key, const std::string& where) {
  const auto name = field<std::string>(object, key, where);
  if (name.empty() || name != fs::path(name).filename() || name == "." || name == "..")
    throw bad_input(fmt::format("{}: {} \"{}\" is not a file name", where, key, name), kHint);
  return name;
}

/// Maps a file that must hold exactly `count` items (`what`) of `width` bytes.
std::shared_ptr<MappedFile> map_exact(const fs::path& path, uint64_t count, uint64_t width, const char* what,
                                      const std::string& sha, bool verify) {
  auto file = std::make_shared<MappedFile>(path);
  const uint64_t seen = file->bytes().size();
  uint64_t expected = 0;
  if (__builtin_mul_overflow(count, width, &expected) || seen != expected)
    throw bad_input(fmt::format("{} has {} bytes, data.json says {} {} of {} bytes", path.string(), seen, count, what, width),
                    kHint);
  if (!verify) return file;
  Sha256 hash;
  hash.update(file->bytes().data(), seen);
  if (const std::string hex = hash.hex(); hex != sha)
    throw bad_input(fmt::format("{} is damaged: its sha256 is {}, data.json says {}", path.string(), hex, sha), kHint);
  return file;
}

template <class T>
T item(const MappedFile& file, uint64_t index) {
  T value;
  std::memcpy(&value, file.bytes().data() + index * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void copy_tokens(const MappedFile& file, uint64_t begin, uint64_t count, int32_t* out) {
  for (uint64_t i = 0; i < count; ++i) out[i] = static_cast<int32_t>(item<T>(file, begin + i));
}

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
    throw bad_input(fmt::format("{}: token_bytes is {}, allowed are 2 and 4", where, data.token_bytes), kHint);
  if (data.info.eos >= data.info.vocab)
    throw bad_input(fmt::format("{}: eos {} is not below vocab {}", where, data.info.eos, data.info.vocab), kHint);
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

void TokenStream::read(uint64_t begin, uint64_t count, int32_t* out) const {
  SPECTRA_CHECK(begin <= size_ && count <= size_ - begin, "begin={} count={} size={}", begin, count, size_);
  // The last part that begins at or before `begin`.
  auto part = std::upper_bound(parts_.begin(), parts_.end(), begin, [](uint64_t at, const Part& p) { return at < p.begin; });
  if (part != parts_.begin()) --part;
  while (count > 0) {
    const uint64_t offset = begin - part->begin;
    const uint64_t here = std::min(count, part->count - offset);
    if (width_ == 2)
      copy_tokens<uint16_t>(*part->tokens, offset, here, out);
    else
      copy_tokens<uint32_t>(*part->tokens, offset, here, out);
    begin += here;
    count -= here;
    out += here;
    ++part;
  }
}

std::vector<uint64_t> TokenStream::document_starts() const {
  std::vector<uint64_t> starts;
  starts.reserve(documents_);
  for (const Part& part : parts_) {
    const uint64_t count = part.documents->bytes().size() / sizeof(uint64_t);
    for (uint64_t i = 0; i < count; ++i) {
      const auto start = item<uint64_t>(*part.documents, i);
      if (start >= part.count || (!starts.empty() && part.begin + start <= starts.back()))
        throw bad_input(fmt::format("{}: document {} starts at token {}, which is out of order or outside the {} tokens",
                                    part.documents->path().string(), i, start, part.count),
                        kHint);
      starts.push_back(part.begin + start);
    }
  }
  return starts;
}

TokenData::TokenData(const fs::path& path, bool verify) : path_(path) {
  const fs::path index = path / "data.json";
  if (!fs::exists(index))
    throw bad_input(fmt::format("{} is not token data: it has no data.json", path.string()),
                    "make token data with spectra prepare");
  const std::string text = read_file(index, kMaxJsonBytes);
  sha256_ = spectra::sha256(text);
  TokenDataJson data = parse_token_data_json(text, index.string());
  info_ = std::move(data.info);
  for (const TokenDataJson::File& file : data.files) {
    const TokenStream::Part part{
        map_exact(path / file.name, file.tokens, static_cast<uint64_t>(data.token_bytes), "tokens", file.sha256, verify),
        map_exact(path / file.documents_name, file.documents, sizeof(uint64_t), "document starts", file.documents_sha256, verify),
        0, file.tokens};
    const auto same = [&](const auto& split) { return split.first == file.split; };
    auto split = std::find_if(splits_.begin(), splits_.end(), same);
    if (split == splits_.end()) split = splits_.insert(splits_.end(), {file.split, TokenStream()});
    TokenStream& stream = split->second;
    stream.width_ = data.token_bytes;
    stream.parts_.push_back(part);
    stream.parts_.back().begin = stream.size_;
    stream.size_ += file.tokens;
    stream.documents_ += file.documents;
  }
  const fs::path tokenizer = path / "tokenizer.json";
  if (verify && fs::exists(tokenizer) && sha256_file(tokenizer) != info_.tokenizer_sha256)
    throw bad_input(fmt::format("{} is not the tokenizer that made this data", tokenizer.string()), kHint);
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

void TokenData::check_tokens() const {
  constexpr uint64_t kChunk = uint64_t{1} << 16;
  std::vector<int32_t> tokens(kChunk);
  for (const auto& entry : splits_) {
    const TokenStream& stream = entry.second;
    for (uint64_t begin = 0; begin < stream.size(); begin += kChunk) {
      const uint64_t count = std::min(kChunk, stream.size() - begin);
      stream.read(begin, count, tokens.data());
      for (uint64_t i = 0; i < count; ++i)
        if (tokens[i] < 0 || tokens[i] >= info_.vocab)
          throw bad_input(fmt::format("{}: token {} of split {} is {}, the vocabulary ends at {}", path_.string(), begin + i,
                                      entry.first, static_cast<uint32_t>(tokens[i]), info_.vocab - 1),
                          kHint);
    }
  }
}

}  // namespace spectra::format
