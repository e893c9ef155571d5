// SPDX-License-Identifier: Apache-2.0
#pragma once
// A model is a directory in the Hugging Face layout: config.json, model.safetensors (or shards with an index),
// tokenizer files, spectra.json (provenance). This file knows files and tensors; src/model knows what they mean.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "format/safetensors.h"

namespace spectra::format {

/// Tensor -> file of an index (model.safetensors.index.json). Throws Error where a file is not a plain name: an index from a
/// stranger must not open files elsewhere.
std::map<std::string, std::string> read_weight_map(const fs::path& index);

class ModelDirectory {
 public:
  /// Opens and checks the structure (not the checksums). Throws Error when a file is missing, truncated or contradictory.
  explicit ModelDirectory(const fs::path& path, Backing backing = Backing::kMapped);
  const fs::path& path() const { return path_; }
  const std::string& config_json() const { return config_json_; }
  /// spectra.json, or "" where there is none (a model from elsewhere).
  const std::string& provenance_json() const { return provenance_json_; }
  /// nullptr where absent.
  const TensorView* find(const std::string& name) const;
  /// Throws Error naming the model and the tensor.
  const TensorView& get(const std::string& name) const;
  /// As stored, file after file.
  const std::vector<const TensorView*>& tensors() const { return order_; }
  /// Throws Error (exit 3) naming the first file whose sha256 differs from spectra.json; returns false where there is nothing to
  /// compare.
  bool verify_checksums() const;

 private:
  fs::path path_;
  std::string config_json_, provenance_json_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, const TensorView*> by_name_;
  std::vector<const TensorView*> order_;
};

/// What spectra.json says of a model; empty fields are left out. `extra`: a JSON object merged in.
struct Provenance {
  std::string family, size, recipe_sha256, data_sha256, parent;
  int64_t step = -1, tokens = -1;
  std::string extra_json;
};
/// Writes spectra.json into `directory` with the tool version and the sha256 of every other file in it. `known`: sha256 by file
/// name where a writer already has them, so that large files are not read again.
void write_provenance(const fs::path& directory, const Provenance& provenance,
                      const std::map<std::string, std::string>& known = {});
/// Copies tokenizer.json, tokenizer_config.json, special_tokens_map.json and generation_config.json, where they exist.
void copy_tokenizer_files(const fs::path& from, const fs::path& to);
/// Checks every file named under "sha256" in directory/spectra.json. See verify_checksums.
bool verify_directory_checksums(const fs::path& directory);

/// Reads `view` (F32, F16, BF16, F64) into floats. Throws Error for another dtype.
void read_floats(const TensorView& view, float* out);

}  // namespace spectra::format
