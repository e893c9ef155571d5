// SPDX-License-Identifier: Apache-2.0
#pragma once
// Any row of any parameter of a model directory as floats, packed, quantized or not: what converters read from. No weights are kept
// in memory.
#include <optional>
#include <vector>

#include "format/model_directory.h"
#include "model/packed_tensors.h"
#include "model/quantized_tensors.h"

namespace spectra::model {

class WeightRows {
 public:
  /// `directory` must outlive the object. Throws Error where config.json does not describe a model.
  explicit WeightRows(const format::ModelDirectory& directory);
  const Config& config() const { return config_; }
  bool packed() const { return packed_.has_value(); }
  /// Of a model in a format of other tools.
  const std::optional<QuantizedConfig>& quantized() const { return quantized_; }
  /// packed, or marked as ternary or binary
  bool low_bit() const { return packed() || config_.family != Family::kFloat; }

  /// One parameter, checked: present, of the right shape and type.
  class Matrix {
   public:
    int64_t rows() const { return rows_; }
    int64_t cols() const { return cols_; }
    /// Type that holds every value: the stored one; of packed weights the one they had before packing; F32 of quantized ones.
    DType dtype() const { return dtype_; }
    bool quantized() const { return quantized_.has_value(); }
    /// The stored bytes of a row that is neither packed nor quantized, else empty.
    std::span<const std::byte> stored(int64_t row) const;
    /// `out` holds cols() floats. Throws Error where packed codes are damaged. For several threads at once.
    void read(int64_t row, float* out) const;
    /// Done with it for now: its pages leave memory.
    void release() const;

   private:
    friend class WeightRows;
    std::string where_;
    int64_t rows_ = 0, cols_ = 0;
    DType dtype_ = DType::kF32;
    const format::TensorView* view_ = nullptr;
    std::optional<PackedMatrix> packed_;
    std::optional<StoredQuantized> quantized_;
  };
  Matrix matrix(const Parameter& parameter) const;

 private:
  const format::ModelDirectory& directory_;
  Config config_;
  std::optional<PackedConfig> packed_;
  std::optional<QuantizedConfig> quantized_;
  DType packed_dtype_ = DType::kF16;
};

}  // namespace spectra::model
