// SPDX-License-Identifier: Apache-2.0
#pragma once
// SHA-256 (FIPS 180-4) through libcrypto, in lower-case hexadecimal.
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace spectra {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(const void* data, size_t size);
  /// 64 hexadecimal digits; the object cannot be used afterwards.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256(std::string_view bytes);
/// The hash of a whole file, which is streamed. Throws Error where it cannot be read.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace spectra
