// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/half.h"
#include "base/progress.h"
#include "base/system.h"
#include "model/convert.h"
#include "model/pack.h"
#include "model/packed_tensors.h"
#include "model/repack.h"

namespace spectra::model {
namespace {

/// The bits of `value` in `dtype`, in the low bytes.
uint32_t bits_in(DType dtype, float value) {
  if (dtype == DType::kF16) return to_fp16(value).bits;
  if (dtype == DType::kBf16) return to_bf16(value).bits;
  return float_bits(value);
}
float from_bits(DType dtype, uint32_t bits) {
  if (dtype == DType::kF16) return to_float(fp16{static_cast<uint16_t>(bits)});
  if (dtype == DType::kBf16) return to_float(bf16{static_cast<uint16_t>(bits)});
  return bits_float(bits);
}

void check_scales(const PackedMatrix& matrix, DType dtype, const std::string& name) {
  for (const float scale : matrix.scales)
    if (from_bits(dtype, bits_in(dtype, scale)) != scale)
      throw bad_input(fmt::format("{}: scale {} is not a {} number", name, scale, dtype_name(dtype)),
                      "torch_dtype in its config.json is not the type that the model had before packing");
}

/// Row r as `element` bytes a weight: 0 or ±scale of its shard.
void expand_row(const PackedMatrix& matrix, int64_t r, DType dtype, const int8_t* codes, std::vector<uint8_t>& out) {
  const size_t element = dtype_size(dtype);
  const bool by_rows = matrix.axis == ShardAxis::kRows;
  for (size_t s = 0; s < matrix.scales.size(); ++s) {
    if (by_rows && (r < matrix.bounds[s] || r >= matrix.bounds[s + 1])) continue;
    const uint32_t values[3] = {bits_in(dtype, -matrix.scales[s]), 0, bits_in(dtype, matrix.scales[s])};
    const auto begin = static_cast<size_t>(by_rows ? 0 : matrix.bounds[s]);
    const auto end = static_cast<size_t>(by_rows ? matrix.layout.cols : matrix.bounds[s + 1]);
    for (size_t c = begin; c < end; ++c) std::memcpy(out.data() + c * element, &values[codes[c] + 1], element);  // little endian
  }
}

void write_matrix(format::SafetensorsWriter& writer, const PackedMatrix& matrix, DType dtype, const std::string& where) {
  check_scales(matrix, dtype, where);
  const lowbit::Layout& layout = matrix.layout;
  std::vector<int8_t> codes(static_cast<size_t>(lowbit::kTileRows * layout.cols));
  std::vector<uint8_t> row(static_cast<size_t>(layout.cols) * dtype_size(dtype));
  for (int64_t r = 0; r < layout.rows; ++r) {
    const int64_t tile = r / lowbit::kTileRows, in_tile = r % lowbit::kTileRows;
    if (in_tile == 0) {
      if (!lowbit::valid_tile(layout, tile, matrix.tile(tile)))
        throw bad_input(
            fmt::format("{}: rows from {} on hold bytes that {} does not have", where, r, lowbit::format_name(layout.format)),
            "the file is damaged: copy it or pack the model again");
      lowbit::unpack_tile(layout, tile, matrix.tile(tile), codes.data());
    }
    expand_row(matrix, r, dtype, codes.data() + in_tile * layout.cols, row);
    writer.write(row.data(), row.size());
  }
}

/// Tensors of the unpacked model: the architecture's in its order, then what else the packed one holds.
std::vector<format::SafetensorsWriter::Entry> unpacked_entries(const format::ModelDirectory& directory,
                                                               const std::vector<Parameter>& all, DType dtype) {
  std::vector<format::SafetensorsWriter::Entry> entries;
  std::set<std::string> placed;
  for (const Parameter& parameter : all) {
    const PackedNames names = packed_names(parameter.name);
    placed.insert({parameter.name, names.packed, names.scale, names.shards});
    if (parameter.role == Role::kLinear) {
      entries.push_back({parameter.name, dtype, tensor_shape(parameter)});
    } else {
      const format::TensorView& view = directory.get(parameter.name);
      entries.push_back({parameter.name, view.dtype, view.shape});
    }
  }
  for (const format::TensorView* view : directory.tensors())
    if (placed.count(view->name) == 0) entries.push_back({view->name, view->dtype, view->shape});
  return entries;
}

UnpackReport from_quantized(const format::ModelDirectory& directory, const fs::path& out, bool verify_checksums) {
  UnpackReport report;
  const ConvertReport converted = unpack_quantized(directory.path(), out, verify_checksums);
  report.dtype = dtype_name(DType::kF16);
  report.bytes_before = tensor_bytes(directory);
  report.bytes_after = converted.bytes;
  report.checksums_verified = converted.checksums_verified;
  const Config config = config_from_json(directory.config_json(), directory.path().string());
  for (const Parameter& parameter : parameters(config)) report.matrices += parameter.role == Role::kLinear ? 1 : 0;
  return report;
}

}  // namespace

UnpackReport unpack_model(const fs::path& source, const fs::path& out, bool verify_checksums) {
  require_new_directory(out);
  const format::ModelDirectory directory(source);
  if (quantized_config_from_json(directory.config_json(), (source / "config.json").string()))
    return from_quantized(directory, out, verify_checksums);
  const std::string where = (source / "config.json").string();
  const Config config = config_from_json(directory.config_json(), where);
  if (packed_format_from_json(directory.config_json()).empty())
    throw bad_input(fmt::format("{} is not a packed model", source.string()),
                    "`spectra pack` makes packed models, `spectra quantize` quantized ones");
  const PackedConfig packed = packed_config_from_json(directory.config_json(), where);
  auto document = nlohmann::ordered_json::parse(directory.config_json());
  const auto stored_type = document.value("torch_dtype", nlohmann::ordered_json("float16"));
  const DType dtype = dtype_from_torch(stored_type.is_string() ? stored_type.get<std::string>() : stored_type.dump(), where);
  document.erase("quantization_config");

  UnpackReport report;
  report.dtype = dtype_name(dtype);
  report.bytes_before = tensor_bytes(directory);
  report.checksums_verified = check_source(directory, verify_checksums);
  const std::vector<Parameter> all = parameters(config);
  const auto entries = unpacked_entries(directory, all, dtype);
  for (const auto& entry : entries) {
    uint64_t bytes = dtype_size(entry.dtype);
    for (const int64_t extent : entry.shape) bytes *= static_cast<uint64_t>(extent);
    report.bytes_after += bytes;
  }
  require_disk(report.bytes_after, out, "the unpacked model");

  AtomicDirectory target(out);
  format::SafetensorsWriter writer(target.path() / "model.safetensors", entries);
  Progress progress("unpacking", entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    check_interrupted("nothing was written");
    progress.update(i, entries[i].name);
    if (i < all.size() && all[i].role == Role::kLinear) {
      write_matrix(writer, packed_matrix(directory, packed, all[i]), dtype, source.string() + ": " + entries[i].name);
      ++report.matrices;
    } else {
      const format::TensorView& view = directory.get(entries[i].name);
      writer.write(view.data.data(), view.data.size());
    }
  }
  progress.clear();
  const std::string sha256 = writer.close();
  write_file(target.path() / "config.json", document.dump(2) + "\n");
  finish_directory(directory, target.path(), sha256);
  target.commit();
  return report;
}

}  // namespace spectra::model
