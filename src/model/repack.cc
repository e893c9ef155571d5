// SPDX-License-Identifier: Apache-2.0
#include "model/repack.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "format/strict_json.h"

namespace spectra::model {
namespace {

/// sha256 of the source's weight files, from its spectra.json where it has them.
nlohmann::ordered_json weight_checksums(const format::ModelDirectory& source, const nlohmann::json& provenance) {
  const nlohmann::json known = provenance.value("sha256", nlohmann::json::object());
  nlohmann::ordered_json sums;
  for (const auto& entry : fs::directory_iterator(source.path())) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || entry.path().extension() != ".safetensors") continue;
    sums[name] = known.is_object() && known.contains(name) ? known[name] : nlohmann::json(sha256_file(entry.path()));
  }
  return sums;
}

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}
int64_t number_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : -1;
}

}  // namespace

std::string torch_dtype(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return "float16";
    case DType::kBf16:
      return "bfloat16";
    default:
      SPECTRA_CHECK(dtype == DType::kF32, "dtype={}", dtype_name(dtype));
      return "float32";
  }
}

DType dtype_from_torch(const std::string& name, const std::string& where) {
  for (const DType dtype : {DType::kF16, DType::kBf16, DType::kF32})
    if (torch_dtype(dtype) == name) return dtype;
  throw bad_input(fmt::format("{}: torch_dtype is \"{}\"", where, name), "allowed are float16, bfloat16 and float32");
}

bool check_source(const format::ModelDirectory& source, bool verify) {
  if (!verify) return false;
  if (source.verify_checksums()) return true;
  log_info("{} has no checksums to verify (no spectra.json)", source.path().string());
  return false;
}

uint64_t tensor_bytes(const format::ModelDirectory& directory) {
  uint64_t bytes = 0;
  for (const format::TensorView* tensor : directory.tensors()) bytes += tensor->data.size();
  return bytes;
}

void finish_directory(const format::ModelDirectory& source, const fs::path& out, const std::string& weights_sha256,
                      const std::string& extra_json) {
  format::copy_tokenizer_files(source.path(), out);
  nlohmann::json known = nlohmann::json::object();
  if (!source.provenance_json().empty())
    known = format::parse_json_object(source.provenance_json(), (source.path() / "spectra.json").string());
  format::Provenance provenance;
  provenance.family = text_of(known, "family");
  provenance.size = text_of(known, "size");
  provenance.recipe_sha256 = text_of(known, "recipe_sha256");
  provenance.data_sha256 = text_of(known, "data_sha256");
  provenance.step = number_of(known, "step");
  provenance.tokens = number_of(known, "tokens");
  provenance.parent = fs::absolute(source.path()).lexically_normal().filename().string();
  if (provenance.parent.empty())
    provenance.parent = fs::absolute(source.path()).lexically_normal().parent_path().filename().string();
  auto extra = nlohmann::ordered_json::parse(extra_json);
  extra["parent_sha256"] = weight_checksums(source, known);
  provenance.extra_json = extra.dump();
  format::write_provenance(out, provenance, {{"model.safetensors", weights_sha256}});
}

}  // namespace spectra::model
