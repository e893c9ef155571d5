// SPDX-License-Identifier: Apache-2.0
#include "train/data.h"

#include "base/error.h"
#include "base/hash.h"
#include "text/tokenizer.h"
#include "train/mixture.h"

namespace spectra::train {
namespace {

/// The directory of data.tokenizer, given as that or as the tokenizer.json in it.
fs::path tokenizer_directory(const fs::path& path) {
  if (fs::is_directory(path)) return path;
  if (path.filename() == "tokenizer.json" && fs::exists(path)) return path.has_parent_path() ? path.parent_path() : fs::path(".");
  throw bad_input(fmt::format("data.tokenizer = {} is not a directory with a tokenizer.json, nor that file", path.string()),
                  "checkpoints copy it under this name");
}

format::TokenData open_source(const fs::path& path, uint64_t& bytes) {
  format::TokenData data(path);
  bytes += data.bytes();
  return data;
}

}  // namespace

TrainingData::TrainingData(const Recipe& recipe, DataCheck check) {
  uint64_t bytes = 0;
  for (const DataSource& source : recipe.data_sources()) {
    sources_.push_back(open_source(source.path, bytes));
    weights_.push_back(source.weight);
  }
  if (!recipe.valid_data.empty()) valid_.push_back(open_source(recipe.valid_data, bytes));
  use_tokenizer(recipe);
  for (const format::TokenData& source : sources_) source.split("train");
  if (check == DataCheck::kWhereSmall && bytes <= kVerifiedBytes)
    for (const auto* all : {&sources_, &valid_})
      for (const format::TokenData& data : *all) {
        data.verify();
        data.check_tokens();
      }

  sha256_ = sources_[0].sha256();
  if (sources_.size() == 1) return;
  std::string text;
  const std::vector<uint64_t> shares = Mixture(weights_).shares();
  for (size_t k = 0; k < sources_.size(); ++k) text += fmt::format("{} {}\n", sources_[k].sha256(), shares[k]);
  sha256_ = spectra::sha256(text);
}

void TrainingData::use_tokenizer(const Recipe& recipe) {
  const format::TokenData* owner = nullptr;  // the first source that names its tokenizer
  for (const auto* all : {&sources_, &valid_})
    for (const format::TokenData& data : *all)
      if (data.has_tokenizer() && owner == nullptr) owner = &data;
  std::string owner_name;
  if (!recipe.tokenizer.empty()) {
    tokenizer_path_ = tokenizer_directory(recipe.tokenizer);
    const text::Tokenizer tokenizer = text::Tokenizer::load(tokenizer_path_);
    if (tokenizer.eos() < 0)
      throw bad_input(fmt::format("{} names no end of a document", tokenizer_path_.string()),
                      "give a directory with a tokenizer_config.json that has an eos_token");
    tokenizer_sha256_ = tokenizer.sha256();
    vocab_ = tokenizer.vocab_size();
    eos_ = tokenizer.eos();
    owner_name = recipe.tokenizer;
  } else if (owner != nullptr) {
    tokenizer_path_ = owner->path();
    tokenizer_sha256_ = owner->info().tokenizer_sha256;
    vocab_ = owner->info().vocab;
    eos_ = owner->info().eos;
    owner_name = owner->path().string();
    if (!fs::exists(tokenizer_path_ / "tokenizer.json"))
      throw bad_input(fmt::format("{} is missing", (tokenizer_path_ / "tokenizer.json").string()),
                      "checkpoints need it: copy it back, or prepare the data again");
  } else {
    throw bad_input(fmt::format("{} is {} data, which holds no tokenizer", sources_[0].path().string(), sources_[0].format()),
                    "give data.tokenizer (inspect: --tokenizer), the directory with the tokenizer.json that made the tokens");
  }
  for (auto* all : {&sources_, &valid_})
    for (format::TokenData& data : *all) {
      if (!data.has_tokenizer()) {
        data.set_tokenizer(tokenizer_sha256_, vocab_, eos_);
      } else if (data.info().tokenizer_sha256 != tokenizer_sha256_) {
        throw bad_input(fmt::format("{} was made by another tokenizer (sha256 {}) than {} (sha256 {})", data.path().string(),
                                    data.info().tokenizer_sha256, owner_name, tokenizer_sha256_),
                        "all data of a run shares one tokenizer: prepare it again with that");
      }
    }
}

std::string TrainingData::name() const {
  const std::string first = sources_[0].path().string();
  return sources_.size() == 1 ? first : fmt::format("{} and {} more", first, sources_.size() - 1);
}

std::vector<LoaderSource> TrainingData::train() const {
  std::vector<LoaderSource> streams;
  for (size_t k = 0; k < sources_.size(); ++k)
    streams.push_back({&sources_[k].split("train"), weights_[k], sources_[k].path().string() + ": split \"train\""});
  return streams;
}

std::vector<LoaderSource> TrainingData::valid() const {
  std::vector<LoaderSource> streams;
  const auto add = [&](const format::TokenData& data, double weight, const std::string& split) {
    streams.push_back({&data.split(split), weight, fmt::format("{}: split \"{}\"", data.path().string(), split)});
  };
  for (const format::TokenData& data : valid_) add(data, 1, data.has("valid") ? "valid" : "train");
  for (size_t k = 0; k < sources_.size() && valid_.empty(); ++k)
    if (sources_[k].has("valid")) add(sources_[k], weights_[k], "valid");
  return streams;
}

}  // namespace spectra::train
