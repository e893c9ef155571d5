// SPDX-License-Identifier: Apache-2.0
#pragma once
// The recipe's data, opened: one token data set or several mixed by weight, all of one tokenizer.
#include <string>
#include <vector>

#include "format/token_data.h"
#include "train/loader.h"
#include "train/recipe.h"

namespace spectra::train {

/// Up to so many bytes in all, every file is read before a run begins; above, tokens are checked as they are read.
constexpr uint64_t kVerifiedBytes = uint64_t{1} << 30;

/// Whether TrainingData reads all files: where there are few bytes, or never (for a look at sizes).
enum class DataCheck : uint8_t { kWhereSmall, kNone };

class TrainingData {
 public:
  /// Opens every source and data.valid. Throws Error (exit 3): naming the file that is missing or damaged; both sources where their
  /// tokenizers differ; data.tokenizer where it is needed and not given.
  explicit TrainingData(const Recipe& recipe, DataCheck check = DataCheck::kWhereSmall);

  /// Of the tokenizer that all sources share.
  const std::string& tokenizer_sha256() const { return tokenizer_sha256_; }
  int64_t vocab() const { return vocab_; }
  int32_t eos() const { return eos_; }
  /// Directory whose tokenizer files go into checkpoints.
  const fs::path& tokenizer_path() const { return tokenizer_path_; }
  /// Names the data in checkpoints: of one source its own hash, of several a hash over theirs and their shares.
  const std::string& sha256() const { return sha256_; }
  /// For messages: "data/books", "data/c4 and 6 more".
  std::string name() const;

  /// Streams live as long as this object does.
  std::vector<LoaderSource> train() const;
  /// Splits to validate on: of data.valid, else of every source that has one; may be empty.
  std::vector<LoaderSource> valid() const;

 private:
  void use_tokenizer(const Recipe& recipe);

  std::vector<format::TokenData> sources_;
  std::vector<double> weights_;
  std::vector<format::TokenData> valid_;  ///< data.valid, or none
  std::string tokenizer_sha256_, sha256_;
  int64_t vocab_ = 0;
  int32_t eos_ = 0;
  fs::path tokenizer_path_;
};

}  // namespace spectra::train
