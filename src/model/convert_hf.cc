// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/half.h"
#include "base/system.h"
#include "model/convert.h"
#include "model/hf_tensors.h"
#include "model/quantized_writer.h"
#include "model/repack.h"
#include "model/weight_rows.h"

namespace spectra::model {
namespace {

/// `type`: to write it as; absent = the one it has, `quantized` where it is quantized.
HfTensor parameter_tensor(const WeightRows& rows, const Parameter& parameter, const std::optional<DType>& type, DType quantized) {
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
  const DType kept = matrix->quantized() ? quantized : matrix->dtype();
  return {parameter.name, tensor_shape(parameter),        stored ? matrix->dtype() : DType::kF32, type.value_or(kept),
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

/// Names under which a parameter of the source may be stored: not to be copied.
void place(const Parameter& parameter, const WeightRows& rows, std::set<std::string>& placed) {
  const PackedNames packed = packed_names(parameter.name);
  placed.insert({parameter.name, packed.packed, packed.scale, packed.shards});
  if (!rows.quantized()) return;
  const QuantizedNames names = quantized_names(rows.quantized()->format, parameter.name);
  placed.insert({names.codes, names.scale, names.zero, names.group, names.shape});
  placed.insert(parameter.name.substr(0, parameter.name.rfind('.')) + ".bias");  // zeros, where GPTQ writers store one
}

/// What spectra.json shall say beside the usual.
std::string extra_provenance(const WeightRows& rows, const format::ModelDirectory& directory) {
  if (!rows.quantized()) return "{}";
  const QuantizationInfo info = quantization_info(*rows.quantized(), directory.provenance_json());
  const std::string text = quantization_provenance_json(QuantizedFormat::kUnpacked, info);
  return nlohmann::ordered_json{{"quantization", nlohmann::ordered_json::parse(text)}}.dump();
}

/// `quantized`: type of quantized matrices where `type` is absent.
ConvertReport rewrite(const fs::path& source, const fs::path& out, const std::optional<DType>& type, DType quantized,
                      bool verify_checksums) {
  require_new_directory(out);
  const format::ModelDirectory directory(source);
  const WeightRows rows(directory);
  ConvertReport report;
  report.checksums_verified = check_source(directory, verify_checksums);
  std::vector<HfTensor> tensors;
  std::set<std::string> placed;
  for (const Parameter& parameter : parameters(rows.config())) {
    tensors.push_back(parameter_tensor(rows, parameter, type, quantized));
    place(parameter, rows, placed);
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
  finish_directory(directory, target.path(), sha256, extra_provenance(rows, directory));
  target.commit();
  return report;
}

}  // namespace

ConvertReport convert_hf(const fs::path& source, const fs::path& out, const std::optional<DType>& type, bool verify_checksums) {
  return rewrite(source, out, type, DType::kF32, verify_checksums);
}

ConvertReport unpack_quantized(const fs::path& source, const fs::path& out, bool verify_checksums) {
  return rewrite(source, out, std::nullopt, DType::kF16, verify_checksums);
}

ConvertReport convert_quantized(const fs::path& source, const fs::path& out, QuantizedFormat format, bool verify_checksums) {
  require_new_directory(out);
  const format::ModelDirectory directory(source);
  const std::string where = (source / "config.json").string();
  const std::vector<Parameter> all = parameters(config_from_json(directory.config_json(), where));
  const std::optional<QuantizedConfig> config = quantized_config_from_json(directory.config_json(), where);
  if (!config)
    throw bad_input(fmt::format("{} is not a quantized model", source.string()),
                    "this format is for models that are quantized: `spectra quantize` makes them");
  ConvertReport report;
  report.checksums_verified = check_source(directory, verify_checksums);
  write_quantized_model(source, out, format, quantization_info(*config, directory.provenance_json()), [&](const std::string& name) {
    const auto parameter = std::find_if(all.begin(), all.end(), [&](const Parameter& p) { return p.name == name; });
    const StoredQuantized matrix = stored_quantized(directory, *config, *parameter);
    require_direct(matrix, fmt::format("{}: {}", source.string(), name));
    for (const float scale : matrix.scales)
      if (round_to_fp16(scale) != scale)
        throw bad_input(fmt::format("{}: {}: scale {} is no fp16 number", source.string(), name, scale),
                        "unpack the model instead");
    return quantized_matrix(matrix);
  });
  const format::ModelDirectory written(out);
  for (const format::TensorView* view : written.tensors())
    report.bytes += view->data.size(), ++report.types[dtype_name(view->dtype)];
  for (const Parameter& p : all) report.parameters += p.rows * p.cols;
  return report;
}

}  // namespace spectra::model
