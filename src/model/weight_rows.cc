// SPDX-License-Identifier: Apache-2.0
#include "model/weight_rows.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/repack.h"

namespace spectra::model {
namespace {

/// Weights of packed row r: 0 or ±scale of their shard.
void expand_row(const PackedMatrix& matrix, int64_t r, float* out) {
  std::vector<int8_t> codes(static_cast<size_t>(matrix.layout.cols));
  lowbit::unpack_row(matrix.layout, r, matrix.tile(r / lowbit::kTileRows), codes.data());
  const bool by_rows = matrix.axis == ShardAxis::kRows;
  for (size_t s = 0; s < matrix.scales.size(); ++s) {
    if (by_rows && (r < matrix.bounds[s] || r >= matrix.bounds[s + 1])) continue;
    const int64_t begin = by_rows ? 0 : matrix.bounds[s], end = by_rows ? matrix.layout.cols : matrix.bounds[s + 1];
    // The fourth is for codes that only damaged tiles hold: those are refused, but maybe after this row was read by another thread.
    const float values[4] = {-matrix.scales[s], 0.0f, matrix.scales[s], 0.0f};
    for (int64_t c = begin; c < end; ++c) out[c] = values[codes[static_cast<size_t>(c)] + 1];
  }
}

}  // namespace

WeightRows::WeightRows(const format::ModelDirectory& directory) : directory_(directory) {
  const std::string where = (directory.path() / "config.json").string();
  config_ = config_from_json(directory.config_json(), where);
  quantized_ = quantized_config_from_json(directory.config_json(), where);
  if (packed_format_from_json(directory.config_json()).empty()) return;
  packed_ = packed_config_from_json(directory.config_json(), where);
  const auto document = nlohmann::json::parse(directory.config_json());
  const auto type = document.value("torch_dtype", nlohmann::json("float16"));
  packed_dtype_ = dtype_from_torch(type.is_string() ? type.get<std::string>() : type.dump(), where);
}

WeightRows::Matrix WeightRows::matrix(const Parameter& parameter) const {
  Matrix matrix;
  matrix.where_ = directory_.path().string() + ": " + parameter.name;
  matrix.rows_ = parameter.rows;
  matrix.cols_ = parameter.cols;
  if (packed_ && parameter.role == Role::kLinear) {
    matrix.packed_ = packed_matrix(directory_, *packed_, parameter);
    matrix.dtype_ = packed_dtype_;
    return matrix;
  }
  if (quantized_ && is_stored_quantized(directory_, *quantized_, parameter)) {
    matrix.quantized_ = stored_quantized(directory_, *quantized_, parameter);
    return matrix;  // its type is F32
  }
  const format::TensorView& view = directory_.get(parameter.name);
  const bool floats = view.dtype == DType::kF16 || view.dtype == DType::kBf16 || view.dtype == DType::kF32;
  if (!floats || view.shape != tensor_shape(parameter))
    throw bad_input(fmt::format("{} is {} [{}], expected F16, BF16 or F32 [{}]", matrix.where_, dtype_name(view.dtype),
                                fmt::join(view.shape, ", "), fmt::join(tensor_shape(parameter), ", ")),
                    "its config.json describes another model, or it is quantized in a way that spectra does not read");
  matrix.view_ = &view;
  matrix.dtype_ = view.dtype;
  return matrix;
}

std::span<const std::byte> WeightRows::Matrix::stored(int64_t row) const {
  if (view_ == nullptr) return {};
  const size_t bytes = static_cast<size_t>(cols_) * dtype_size(dtype_);
  return view_->data.subspan(static_cast<size_t>(row) * bytes, bytes);
}

void WeightRows::Matrix::read(int64_t row, float* out) const {
  if (view_ != nullptr) return format::read_floats({view_->name, dtype_, {cols_}, stored(row)}, out);
  if (quantized_) {
    std::vector<uint8_t> u(static_cast<size_t>(cols_));
    quantized_->read(row, 1, u.data());
    return quantized_->expand(row, u.data(), out);
  }
  const int64_t tile = row / lowbit::kTileRows;
  if (row % lowbit::kTileRows == 0 && !lowbit::valid_tile(packed_->layout, tile, packed_->tile(tile)))
    throw bad_input(fmt::format("{}: rows from {} on hold bytes that {} does not have", where_, row,
                                lowbit::format_name(packed_->layout.format)),
                    "the file is damaged: copy it or pack the model again");
  expand_row(*packed_, row, out);
}

void WeightRows::Matrix::release() const {
  release_mapped(view_ != nullptr ? view_->data : quantized_ ? quantized_->stored() : std::as_bytes(packed_->codes));
}

}  // namespace spectra::model
