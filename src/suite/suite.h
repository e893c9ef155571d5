// SPDX-License-Identifier: Apache-2.0
#pragma once
// A suite file: which models are trained on which data, how they are quantized and what they are measured on. docs/suite.md is
// the reference of its keys; whatever a recipe says (train.tokens, schedule.lr, ...) is said here in a recipe's words.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "train/recipe.h"

namespace spectra::suite {

using train::Setting;
using Settings = std::vector<Setting>;

/// [data]: stories, text files, or token data that is ready.
struct Data {
  std::string synthetic;  ///< "stories" or empty
  int64_t stories = 60'000, seed = 1;
  std::vector<std::string> text, valid;
  double valid_fraction = 0;
  int64_t vocabulary = 0;  ///< entries of a tokenizer that is trained on the text
  std::string tokenizer;   ///< instead: a tokenizer.json or a directory with one
  std::string path;        ///< instead of all the others
  std::string origin;
};

struct Size {
  std::string name, origin;
  Settings settings;                          ///< its dimensions
  std::map<std::string, Settings> of_family;  ///< its learning rates
};

/// [[arm]]: models of one family trained otherwise than the suite's own, compared with those of the same size and seed.
struct Arm {
  std::string name, family, origin;
  std::vector<std::string> sizes;
  std::vector<int64_t> seeds;
  Settings settings;
};

struct Quantize {
  std::vector<int64_t> bits;  ///< empty: nothing is quantized
  std::string method = "gptq";
  int64_t samples = 128, sequence = 0;  ///< of calibration; 0 = the model's context
  int64_t group_size = 0;               ///< columns that share a scale, -1 = all of a row; 0 = the command's default
  std::string origin;
};

struct Evaluate {
  int64_t tokens = 200'000;  ///< of the validation split, scored by every model
  std::vector<std::string> tasks, data, texts;
  int64_t limit = 0;  ///< documents of a task; 0 = all
  std::string origin;
};

struct Suite {
  fs::path path;
  std::string name, title, sha256;
  std::vector<std::string> families;
  std::vector<int64_t> seeds;
  int64_t threads = 0;  ///< of every job; 0 = by the size of the models
  bool pack = true;     ///< ternary and binary models are packed too
  Data data;
  std::vector<Size> sizes;
  std::vector<Arm> arms;
  Quantize quantize;
  Evaluate evaluate;
  Settings settings;                          ///< of every run
  std::map<std::string, Settings> of_family;  ///< [family.ternary.schedule] ...
  std::vector<std::string> quick_sizes;       ///< [quick]
  Settings quick_settings;

  const Size& size(const std::string& wanted) const;
};

/// Reads a suite file, then `settings` ("data.text=novel.txt"). Throws Error (exit 3) naming file and line, key, value seen and
/// what is allowed. Whether files are there is the plan's to check.
Suite load_suite(const fs::path& path, const std::vector<std::string>& settings = {});
Suite parse_suite(const std::string& toml, const fs::path& where, const std::vector<std::string>& settings = {});

/// What a run of the suite is trained with, later settings win: the suite's, the family's, the size's, those of --quick, the arm's.
/// `arm` may be null.
Settings run_settings(const Suite& suite, const std::string& family, const Size& size, int64_t seed, const Arm* arm, bool quick);

}  // namespace spectra::suite
