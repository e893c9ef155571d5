// SPDX-License-Identifier: Apache-2.0
#pragma once
// Model directories made by the program: these tests link libspectra.so and nothing else of the project.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "test_data.h"

namespace spectra::test {

inline void run_program(const std::string& arguments) {
  ASSERT_EQ(std::system((SPECTRA_BINARY " " + arguments + " --quiet").c_str()), 0) << arguments;
}

inline std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::filesystem::path stories_source() { return data_directory() / "model/stories260k"; }

/// A trained float model with a tokenizer (context 512, vocabulary 512), and a random ternary one without (context 96, vocabulary
/// 150).
class Models : public testing::Test {
 protected:
  void SetUp() override {
    SPECTRA_NEEDS_DATA(stories_source());
    const std::string source = stories_source().string();
    run_program("convert " + source + "/stories260K.bin " + stories() + " --tokenizer " + source + "/tok512.bin");
    run_program("init --hidden 64 --glu 96 --heads 4 --layers 2 --vocab 150 --context 96 --family ternary --packed 1.6bit --out " +
                ternary());
  }
  std::string stories() const { return (directory_ / "stories").string(); }
  std::string ternary() const { return (directory_ / "ternary").string(); }
  TemporaryDirectory directory_;
};

}  // namespace spectra::test
