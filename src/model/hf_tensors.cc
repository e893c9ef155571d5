// SPDX-License-Identifier: Apache-2.0
#include "model/hf_tensors.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/half.h"
#include "base/progress.h"
#include "base/system.h"
#include "format/model_directory.h"

namespace spectra::model {
namespace {

float put_as(DType type, float value, std::byte* out) {
  if (type == DType::kF32) std::memcpy(out, &value, sizeof value);
  if (type == DType::kF32) return value;
  SPECTRA_CHECK(type == DType::kF16 || type == DType::kBf16, "type={}", dtype_name(type));
  const fp16 half = to_fp16(value);
  const bf16 brain = to_bf16(value);
  std::memcpy(out, type == DType::kF16 ? &half.bits : &brain.bits, 2);
  return type == DType::kF16 ? to_float(half) : to_float(brain);
}

/// Converts `count` elements at `in` to `out`; notes how far they moved.
void convert(const HfTensor& tensor, const std::vector<std::byte>& in, std::vector<std::byte>& out, Difference& difference) {
  const auto count = static_cast<size_t>(tensor.cols());
  std::vector<float> wanted(count), found(count);
  format::read_floats({tensor.name, tensor.from, {tensor.cols()}, in}, wanted.data());
  for (size_t i = 0; i < count; ++i) {
    found[i] = put_as(tensor.to, wanted[i], out.data() + i * dtype_size(tensor.to));
    if (std::isfinite(wanted[i]) && !std::isfinite(found[i]))
      throw bad_input(fmt::format("{}: weight {} is too large for {}", tensor.name, wanted[i], dtype_name(tensor.to)),
                      "choose --type bf16 or f32");
  }
  difference.see(wanted.data(), found.data(), tensor.cols());
}

}  // namespace

int64_t HfTensor::rows() const {
  int64_t count = 1;
  for (const int64_t extent : shape)
    if (extent == 0) return 0;  // there may be any number of rows of nothing
  for (size_t i = 0; i + 1 < shape.size(); ++i) count *= shape[i];
  return count;
}

bool fits(const HfTensor& tensor, DType type) {
  SPECTRA_CHECK(tensor.from == DType::kF32, "from={}", dtype_name(tensor.from));
  std::vector<std::byte> row(static_cast<size_t>(tensor.cols()) * sizeof(float));
  std::byte scratch[4];
  for (int64_t r = 0; r < tensor.rows(); ++r) {
    tensor.read(r, row.data());
    for (size_t i = 0; i < row.size(); i += sizeof(float)) {
      float value;
      std::memcpy(&value, &row[i], sizeof value);
      if (put_as(type, value, scratch) != value) return false;
    }
  }
  return true;
}

uint64_t hf_bytes(const std::vector<HfTensor>& tensors) {
  uint64_t bytes = 0;
  for (const HfTensor& tensor : tensors) bytes += format::entry_bytes({tensor.name, tensor.to, tensor.shape});
  return bytes;
}

std::string write_hf_tensors(const fs::path& file, const std::vector<HfTensor>& tensors, ConvertReport& report) {
  std::vector<format::SafetensorsWriter::Entry> entries;
  for (const HfTensor& tensor : tensors) {
    SPECTRA_CHECK(tensor.from == tensor.to || (is_float(tensor.from) && is_float(tensor.to)), "{}", tensor.name);
    entries.push_back({tensor.name, tensor.to, tensor.shape});
  }
  format::SafetensorsWriter writer(file, entries);
  Progress progress("converting", tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const HfTensor& tensor = tensors[i];
    check_interrupted("nothing was written");
    progress.update(i, tensor.name);
    const auto cols = static_cast<size_t>(tensor.cols());
    std::vector<std::byte> in(cols * dtype_size(tensor.from)), out(cols * dtype_size(tensor.to));
    Difference difference;
    for (int64_t r = 0; r < tensor.rows(); ++r) {
      tensor.read(r, in.data());
      if (tensor.from != tensor.to) convert(tensor, in, out, difference);
      const std::vector<std::byte>& row = tensor.from == tensor.to ? in : out;
      writer.write(row.data(), row.size());
    }
    if (tensor.done) tensor.done();
    if (difference.weights > 0) report.rounded.push_back({tensor.name, difference});
    ++report.types[dtype_name(tensor.to)];
    report.parameters += tensor.rows() * tensor.cols();
    report.bytes += format::entry_bytes(entries[i]);
  }
  progress.clear();
  return writer.close();
}

}  // namespace spectra::model
