// SPDX-License-Identifier: Apache-2.0
#include "format/llmc.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/error.h"

namespace spectra::format {
namespace {

constexpr int32_t kLlmcMagic = 20240520, kVersion = 1;
constexpr uint64_t kLlmcHeader = 1024;
constexpr const char* kLlmcHint = "the shard is damaged or incomplete: copy it again";

int32_t header_field(std::string_view bytes, size_t index) {
  int32_t value = 0;
  std::memcpy(&value, bytes.data() + 4 * index, sizeof value);
  return value;
}

std::vector<fs::path> shards_of(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> shards;
  for (const auto& entry : fs::directory_iterator(path))
    if (entry.is_regular_file() && entry.path().extension() == ".bin") shards.push_back(entry.path());
  std::sort(shards.begin(), shards.end());
  return shards;
}

}  // namespace

uint64_t parse_llmc_header(std::string_view bytes, const std::string& where) {
  if (bytes.size() < kLlmcHeader)
    throw bad_input(fmt::format("{} has {} bytes, fewer than the header of a shard of llm.c", where, bytes.size()), kLlmcHint);
  const int32_t magic = header_field(bytes, 0), version = header_field(bytes, 1), tokens = header_field(bytes, 2);
  if (magic != kLlmcMagic || version != kVersion)
    throw bad_input(fmt::format("{} begins with {} and version {}, a shard of llm.c with {} and {}", where, magic, version,
                                kLlmcMagic, kVersion),
                    "only shards of GPT-2 tokens (u16) are known");
  if (tokens < 0 || bytes.size() - kLlmcHeader != 2 * static_cast<uint64_t>(tokens))
    throw bad_input(fmt::format("{} has {} bytes, its header says {} tokens of 2 bytes", where, bytes.size(), tokens), kLlmcHint);
  return static_cast<uint64_t>(tokens);
}

bool is_llmc(const fs::path& path) {
  if (!fs::is_directory(path) && path.extension() != ".bin") return false;
  const std::vector<fs::path> shards = shards_of(path);
  if (shards.empty() || !fs::is_regular_file(shards.front())) return false;
  int32_t magic = 0;
  std::ifstream(shards.front(), std::ios::binary).read(reinterpret_cast<char*>(&magic), sizeof magic);
  return magic == kLlmcMagic;
}

std::vector<std::pair<std::string, TokenPart>> open_llmc(const fs::path& path) {
  std::vector<std::pair<std::string, TokenPart>> parts;
  for (const fs::path& shard : shards_of(path)) {
    TokenPart part;
    part.tokens = std::make_shared<MappedFile>(shard);
    const auto bytes = part.tokens->bytes();
    part.offset = kLlmcHeader;
    part.count = parse_llmc_header({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, shard.string());
    const bool valid = shard.filename().string().find("_val") != std::string::npos;
    parts.emplace_back(valid ? "valid" : "train", std::move(part));
  }
  return parts;
}

}  // namespace spectra::format
