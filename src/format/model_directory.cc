// SPDX-License-Identifier: Apache-2.0
#include "format/model_directory.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "format/strict_json.h"

namespace spectra::format {
namespace {

using nlohmann::json;

constexpr size_t kMaxConfigBytes = size_t{16} << 20;  // an index of 100000 tensors has about 10 MB
constexpr const char* kWanted =
    "a model directory holds config.json and model.safetensors, or model.safetensors.index.json with its shards";

std::vector<std::unique_ptr<SafetensorsFile>> open_shards(const fs::path& path, const fs::path& index, Backing backing) {
  const std::map<std::string, std::string> weight_map = read_weight_map(index);
  std::set<std::string> names;
  for (const auto& item : weight_map) names.insert(item.second);
  std::vector<std::unique_ptr<SafetensorsFile>> files;
  size_t mapped = 0;
  for (const std::string& name : names) {
    if (!fs::exists(path / name))
      throw bad_input(fmt::format("{} names {}, which is missing", index.string(), name), "download it again");
    files.push_back(std::make_unique<SafetensorsFile>(path / name, backing));
    for (const TensorView& tensor : files.back()->tensors()) {
      const auto entry = weight_map.find(tensor.name);
      if (entry == weight_map.end() || entry->second != name)
        throw bad_input(fmt::format("{} holds tensor {}, which {} places in {}", (path / name).string(), tensor.name,
                                    index.filename().string(), entry == weight_map.end() ? "no file" : entry->second),
                        "index and shards are of different models");
      ++mapped;
    }
  }
  if (mapped == weight_map.size()) return files;
  std::set<std::string> seen;
  for (const auto& file : files)
    for (const TensorView& tensor : file->tensors()) seen.insert(tensor.name);
  for (const auto& item : weight_map)
    if (seen.count(item.first) == 0)
      throw bad_input(fmt::format("{} places tensor {} in {}, which does not hold it", index.string(), item.first, item.second),
                      "index and shards are of different models");
  return files;
}

}  // namespace

std::map<std::string, std::string> read_weight_map(const fs::path& index) {
  const json document = parse_json_object(read_file(index, kMaxConfigBytes), index.string());
  const auto map = document.find("weight_map");
  if (map == document.end() || !map->is_object()) throw bad_input(index.string() + ": has no weight_map", kWanted);
  std::map<std::string, std::string> files;
  for (const auto& item : map->items()) {
    const std::string file = item.value().is_string() ? item.value().get<std::string>() : "";
    if (file.empty() || file != fs::path(file).filename() || file == "." || file == ".." || file.find('\\') != std::string::npos)
      throw bad_input(
          fmt::format("{}: tensor {} is mapped to {}, which is not a file name", index.string(), item.key(), item.value().dump()),
          "shards lie beside the index; names with directories are not followed");
    files[item.key()] = file;
  }
  return files;
}

ModelDirectory::ModelDirectory(const fs::path& path, Backing backing) : path_(path) {
  if (!fs::is_directory(path)) throw bad_input(fmt::format("{} is not a directory", path.string()), kWanted);
  if (!fs::exists(path / "config.json")) throw bad_input(fmt::format("{} has no config.json", path.string()), kWanted);
  config_json_ = read_file(path / "config.json", kMaxConfigBytes);
  if (fs::exists(path / "spectra.json")) provenance_json_ = read_file(path / "spectra.json", kMaxConfigBytes);

  const fs::path index = path / "model.safetensors.index.json";
  if (fs::exists(path / "model.safetensors")) {
    files_.push_back(std::make_unique<SafetensorsFile>(path / "model.safetensors", backing));
  } else if (fs::exists(index)) {
    files_ = open_shards(path, index, backing);
  } else {
    const bool torch = fs::exists(path / "pytorch_model.bin") || fs::exists(path / "pytorch_model.bin.index.json");
    throw bad_input(fmt::format("{} has no model.safetensors", path.string()),
                    torch ? "it has pytorch_model.bin: `spectra convert` makes safetensors of it" : kWanted);
  }
  for (const auto& file : files_)
    for (const TensorView& tensor : file->tensors()) {
      by_name_[tensor.name] = &tensor;
      order_.push_back(&tensor);
    }
}

const TensorView* ModelDirectory::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

const TensorView& ModelDirectory::get(const std::string& name) const {
  const TensorView* tensor = find(name);
  if (tensor == nullptr)
    throw bad_input(fmt::format("{}: tensor {} is missing", path_.string(), name),
                    "its config.json describes another model, or the model is incomplete");
  return *tensor;
}

bool ModelDirectory::verify_checksums() const { return verify_directory_checksums(path_); }

}  // namespace spectra::format
