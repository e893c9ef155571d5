// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/system.h"
#include "model/convert.h"
#include "model/hf_tensors.h"
#include "model/repack.h"
#include "model/weight_rows.h"

namespace spectra::model {
namespace {

HfTensor parameter_tensor(const WeightRows& rows, const Parameter& parameter, const std::optional<DType>& type) {
  const auto matrix = std::make_shared<const WeightRows::Matrix>(rows.matrix(parameter));
  const bool stored = !matrix->stored(0).empty();
  const auto read = [matrix, stored](int64_t row, std::byte* out) {
    if (!stored) {
      std::vector<float> values(static_cast<size_t>(matrix->cols()));
      matrix->read(row, values.data());
      std::memcpy(out, values.data(), values.size() * sizeof(float));
      return;
    }
    const std::span<const std::byte> bytes = matrix->stored(row);
    std::memcpy(out, bytes.data(), bytes.size());
  };
  return {parameter.name, tensor_shape(parameter),        stored ? matrix->dtype() : DType::kF32, type.value_or(matrix->dtype()),
          read,           [matrix] { matrix->release(); }};
}

/// A tensor that the architecture does not know, as it is.
HfTensor other_tensor(const format::TensorView& view) {
  const auto read = [&view](int64_t row, std::byte* out) {
    const size_t bytes = static_cast<size_t>(view.shape.empty() ? 1 : view.shape.back()) * dtype_size(view.dtype);
    std::memcpy(out, view.data.data() + static_cast<size_t>(row) * bytes, bytes);
  };
  return {view.name, view.shape, view.dtype, view.dtype, read, {}};
}

}  // namespace

ConvertReport convert_hf(const fs::path& source, const fs::path& out, const std::optional<DType>& type, bool verify_checksums) {
  require_new_directory(out);
  const format::ModelDirectory directory(source);
  const WeightRows rows(directory);
  ConvertReport report;
  report.checksums_verified = check_source(directory, verify_checksums);
  std::vector<HfTensor> tensors;
  std::set<std::string> placed;
  for (const Parameter& parameter : parameters(rows.config())) {
    tensors.push_back(parameter_tensor(rows, parameter, type));
    const PackedNames names = packed_names(parameter.name);
    placed.insert({parameter.name, names.packed, names.scale, names.shards});
  }
  for (const format::TensorView* view : directory.tensors())
    if (placed.count(view->name) == 0) tensors.push_back(other_tensor(*view));
  require_disk(hf_bytes(tensors), out, "the model");

  AtomicDirectory target(out);
  const std::string sha256 = write_hf_tensors(target.path() / "model.safetensors", tensors, report);
  auto document = nlohmann::ordered_json::parse(directory.config_json());
  document.erase("quantization_config");
  document["torch_dtype"] = torch_dtype(tensors[2].to);  // 2: the first linear layer
  write_file(target.path() / "config.json", document.dump(2) + "\n");
  finish_directory(directory, target.path(), sha256);
  target.commit();
  return report;
}

}  // namespace spectra::model
