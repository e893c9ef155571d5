// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "base/system.h"
#include "format/model_directory.h"
#include "format/torch_file.h"
#include "model/config.h"
#include "model/convert.h"
#include "model/hf_tensors.h"
#include "model/repack.h"

namespace spectra::model {
namespace {

using format::TorchFile;
using format::TorchTensor;

constexpr const char* kSingle = "pytorch_model.bin";
constexpr const char* kIndex = "pytorch_model.bin.index.json";
constexpr size_t kMostConfigBytes = size_t{16} << 20;

/// The files of the model; every tensor must be in the one that the index says.
std::vector<std::unique_ptr<TorchFile>> open_files(const fs::path& source) {
  std::vector<std::unique_ptr<TorchFile>> files;
  if (fs::exists(source / kSingle)) {
    files.push_back(std::make_unique<TorchFile>(source / kSingle));
    return files;
  }
  const fs::path index = source / kIndex;
  const std::map<std::string, std::string> places = format::read_weight_map(index);
  std::set<std::string> names;
  for (const auto& place : places) names.insert(place.second);
  size_t found = 0;
  for (const std::string& name : names) {
    if (!fs::exists(source / name))
      throw bad_input(fmt::format("{} names {}, which is missing", index.string(), name), "download it again");
    files.push_back(std::make_unique<TorchFile>(source / name));
    for (const TorchTensor& tensor : files.back()->tensors()) {
      const auto place = places.find(tensor.view.name);
      if (place == places.end() || place->second != name)
        throw bad_input(
            fmt::format("{} holds tensor {}, which {} places elsewhere", (source / name).string(), tensor.view.name, kIndex),
            "index and files are of different models");
      ++found;
    }
  }
  if (found != places.size())
    throw bad_input(fmt::format("{} names {} tensors, {} were found", index.string(), places.size(), found),
                    "index and files are of different models");
  return files;
}

HfTensor hf_tensor(const TorchTensor& tensor, const std::optional<DType>& type) {
  const DType from = tensor.view.dtype;
  return {tensor.view.name,
          tensor.view.shape,
          from,
          type && is_float(from) ? *type : from,
          [&tensor](int64_t row, std::byte* out) { tensor.read_row(row, out); },
          [&tensor] { release_mapped(tensor.storage); }};
}

/// The architecture's parameters in its order, then what else there is.
std::vector<HfTensor> in_order(const std::vector<std::unique_ptr<TorchFile>>& files, const Config& config, const fs::path& source,
                               const std::optional<DType>& type) {
  std::map<std::string, const TorchTensor*> by_name;
  for (const auto& file : files)
    for (const TorchTensor& tensor : file->tensors()) by_name[tensor.view.name] = &tensor;
  std::vector<HfTensor> tensors;
  for (const Parameter& parameter : parameters(config)) {
    const auto found = by_name.find(parameter.name);
    if (found == by_name.end() || found->second->view.shape != tensor_shape(parameter))
      throw bad_input(fmt::format("{}: tensor {} is {}", source.string(), parameter.name,
                                  found == by_name.end() ? "missing" : "of another shape than its config.json says"),
                      "its config.json describes another model, or the model is incomplete");
    tensors.push_back(hf_tensor(*found->second, type));
    by_name.erase(found);
  }
  for (const auto& rest : by_name) tensors.push_back(hf_tensor(*rest.second, type));
  return tensors;
}

}  // namespace

bool is_torch_directory(const fs::path& path) {
  if (fs::exists(path / "model.safetensors") || fs::exists(path / "model.safetensors.index.json")) return false;
  return fs::exists(path / kSingle) || fs::exists(path / kIndex);
}

ConvertReport import_torch(const fs::path& source, const fs::path& out, const std::optional<DType>& type) {
  require_new_directory(out);
  const std::string config_text = read_file(source / "config.json", kMostConfigBytes);
  const Config config = config_from_json(config_text, (source / "config.json").string());
  const std::vector<std::unique_ptr<TorchFile>> files = open_files(source);
  const std::vector<HfTensor> tensors = in_order(files, config, source, type);
  require_disk(hf_bytes(tensors), out, "the model");

  ConvertReport report;
  AtomicDirectory target(out);
  const std::string sha256 = write_hf_tensors(target.path() / "model.safetensors", tensors, report);
  auto document = nlohmann::ordered_json::parse(config_text);
  if (type) document["torch_dtype"] = torch_dtype(*type);
  write_file(target.path() / "config.json", document.dump(2) + "\n");
  format::copy_tokenizer_files(source, target.path());
  format::Provenance provenance;
  provenance.family = family_name(config.family);
  provenance.parent = fs::absolute(source).lexically_normal().filename().string();
  nlohmann::ordered_json sums;
  for (const auto& file : files) sums[file->path().filename().string()] = sha256_file(file->path());
  provenance.extra_json = nlohmann::ordered_json{{"parent_sha256", sums}}.dump();
  format::write_provenance(target.path(), provenance, {{"model.safetensors", sha256}});
  target.commit();
  return report;
}

}  // namespace spectra::model
