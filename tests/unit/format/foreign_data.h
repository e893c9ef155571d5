// SPDX-License-Identifier: Apache-2.0
#pragma once
// Token data as Megatron-LM and llm.c write it, byte by byte from their specifications.
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "base/file.h"

namespace spectra::test {

template <class T>
void put(std::string& bytes, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes.append(raw, sizeof(T));
}

/// A document is a list of sequences. `T`, `code`: type of a token and its number.
template <class T>
void write_megatron(const fs::path& prefix, const std::vector<std::vector<std::vector<int64_t>>>& documents, uint8_t code) {
  std::string tokens, sizes, pointers, entries;
  uint64_t sequences = 0;
  put<int64_t>(entries, 0);
  for (const auto& document : documents) {
    for (const auto& sequence : document) {
      put<int32_t>(sizes, static_cast<int32_t>(sequence.size()));
      put<int64_t>(pointers, static_cast<int64_t>(tokens.size()));
      for (const int64_t token : sequence) put<T>(tokens, static_cast<T>(token));
      ++sequences;
    }
    put<int64_t>(entries, static_cast<int64_t>(sequences));
  }
  std::string index("MMIDIDX\0\0", 9);
  put<uint64_t>(index, 1);
  put<uint8_t>(index, code);
  put<uint64_t>(index, sequences);
  put<uint64_t>(index, documents.size() + 1);
  std::ofstream(prefix.string() + ".bin", std::ios::binary) << tokens;
  std::ofstream(prefix.string() + ".idx", std::ios::binary) << index << sizes << pointers << entries;
}

inline void write_llmc(const fs::path& path, const std::vector<uint16_t>& tokens) {
  std::string bytes;
  put<int32_t>(bytes, 20240520);
  put<int32_t>(bytes, 1);
  put<int32_t>(bytes, static_cast<int32_t>(tokens.size()));
  bytes.resize(1024, '\0');
  for (const uint16_t token : tokens) put<uint16_t>(bytes, token);
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace spectra::test
