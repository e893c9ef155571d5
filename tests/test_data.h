// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the reference data is: SPECTRA_TEST_DATA, by default ../shared/data beside the checkout. In CI it must be there.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace spectra::test {

inline std::filesystem::path data_directory() {
  const char* given = std::getenv("SPECTRA_TEST_DATA");
  return given != nullptr ? std::filesystem::path(given) : std::filesystem::path(SPECTRA_SOURCE_DIR) / "../shared/data";
}
inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(SPECTRA_SOURCE_DIR) / "tests/golden" / name;
}

/// A fresh directory that is removed with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "spectra-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace spectra::test

/// Skips (fails in CI) where the reference data is absent.
#define SPECTRA_NEEDS_DATA(path)                                                    \
  do {                                                                              \
    if (!std::filesystem::exists(path)) {                                           \
      if (std::getenv("CI") != nullptr) FAIL() << path << " must be present in CI"; \
      GTEST_SKIP() << "SKIPPED: no reference data at " << path;                     \
    }                                                                               \
  } while (false)
