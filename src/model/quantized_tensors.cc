// SPDX-License-Identifier: Apache-2.0
#include "model/quantized_tensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "model/typed_tensor.h"

namespace spectra::model {
namespace {

using format::ModelDirectory;
using format::TensorView;
using lowbit::Words;

/// Columns whose codes are read row by row from GPTQ's columns of words: whole words for every number of bits.
constexpr int64_t kStreamColumns = 32;

/// (rows, groups), from (rows, groups) or, `transposed`, from (groups, rows).
std::vector<float> read_scales(const ModelDirectory& directory, const std::string& name, int64_t rows, int64_t groups,
                               bool transposed) {
  const TensorView& view = directory.get(name);
  const bool floats = view.dtype == DType::kF16 || view.dtype == DType::kBf16 || view.dtype == DType::kF32;
  const std::vector<int64_t> shape = transposed ? std::vector<int64_t>{groups, rows} : std::vector<int64_t>{rows, groups};
  if (!floats || view.shape != shape)
    throw tensor_error(directory, name,
                       fmt::format("is {} [{}], expected F16, BF16 or F32 [{}]", dtype_name(view.dtype),
                                   fmt::join(view.shape, ", "), fmt::join(shape, ", ")));
  std::vector<float> stored(static_cast<size_t>(rows * groups));
  format::read_floats(view, stored.data());
  for (const float scale : stored)
    if (!std::isfinite(scale)) throw tensor_error(directory, name, "holds a scale that is not finite");
  if (!transposed) return stored;
  std::vector<float> scales(stored.size());
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t r = 0; r < rows; ++r) scales[static_cast<size_t>(r * groups + g)] = stored[static_cast<size_t>(g * rows + r)];
  return scales;
}

/// Group of each column as stored; every one must be there.
std::vector<int32_t> read_groups(const ModelDirectory& directory, const std::string& name, int64_t cols, int64_t groups) {
  const TensorView& view = typed_tensor(directory, name, DType::kI32, {cols});
  std::vector<int32_t> group_of(static_cast<size_t>(cols));
  std::memcpy(group_of.data(), view.data.data(), view.data.size());
  for (int64_t c = 0; c < cols; ++c)
    if (group_of[static_cast<size_t>(c)] < 0 || group_of[static_cast<size_t>(c)] >= groups)
      throw tensor_error(
          directory, name,
          fmt::format("column {} is in group {}, allowed are 0 to {}", c, group_of[static_cast<size_t>(c)], groups - 1));
  return group_of;
}

/// Zero points (rows, groups); empty where all are the middle.
std::vector<int16_t> drop_middle(std::vector<int16_t> zeros, int bits) {
  const bool middle = std::all_of(zeros.begin(), zeros.end(), [&](int16_t zero) { return zero == 1 << (bits - 1); });
  return middle ? std::vector<int16_t>{} : zeros;
}

/// Of `groups` sequences of `rows` numbers: sequence g begins at word g * `apart`, its words are `stride` apart.
std::vector<int16_t> read_zeros(const TensorView& view, Words order, int bits, int64_t rows, int64_t groups, int64_t apart,
                                int64_t stride, int more) {
  std::vector<int16_t> zeros(static_cast<size_t>(rows * groups));
  std::vector<uint8_t> u(static_cast<size_t>(rows));
  for (int64_t g = 0; g < groups; ++g) {
    lowbit::read_words(order, bits, view.data.data() + 4 * g * apart, rows, u.data(), stride);
    for (int64_t r = 0; r < rows; ++r)
      zeros[static_cast<size_t>(r * groups + g)] = static_cast<int16_t>(u[static_cast<size_t>(r)] + more);
  }
  return drop_middle(std::move(zeros), bits);
}

void check_shape_tensor(const ModelDirectory& directory, const std::string& name, const Parameter& parameter) {
  const TensorView& view = directory.get(name);
  int64_t shape[2] = {-1, -1};
  if (view.elements() == 2 && view.dtype == DType::kI64) std::memcpy(shape, view.data.data(), sizeof(shape));
  if (view.elements() == 2 && view.dtype == DType::kI32) {
    int32_t narrow[2];
    std::memcpy(narrow, view.data.data(), sizeof(narrow));
    shape[0] = narrow[0], shape[1] = narrow[1];
  }
  if (shape[0] != parameter.rows || shape[1] != parameter.cols)
    throw tensor_error(directory, name, fmt::format("does not say {}, {}", parameter.rows, parameter.cols));
}

/// A model of this architecture has no biases; some writers store zeros.
void check_no_bias(const ModelDirectory& directory, const std::string& weight) {
  const TensorView* view = directory.find(weight.substr(0, weight.rfind('.')) + ".bias");
  if (view == nullptr) return;
  std::vector<float> bias(static_cast<size_t>(view->elements()));
  format::read_floats(*view, bias.data());
  if (std::any_of(bias.begin(), bias.end(), [](float x) { return x != 0; }))
    throw tensor_error(directory, view->name, "is a bias, which models of this architecture do not have");
}

}  // namespace

QuantizedNames quantized_names(QuantizedFormat format, const std::string& weight) {
  if (format == QuantizedFormat::kCompressedTensors)
    return {weight + "_packed", weight + "_scale", weight + "_zero_point", weight + "_g_idx", weight + "_shape"};
  const std::string layer = weight.substr(0, weight.rfind('.') + 1);
  return {layer + "qweight", layer + "scales", layer + "qzeros", layer + "g_idx", ""};
}

void StoredQuantized::read(int64_t first, int64_t count, uint8_t* u) const {
  if (format_ == QuantizedFormat::kCompressedTensors) {
    const int64_t words = lowbit::word_count(Words::kWhole, bits, cols);
    for (int64_t r = 0; r < count; ++r)
      lowbit::read_words(Words::kWhole, bits, codes_.data() + 4 * (first + r) * words, cols, u + r * cols);
    return;
  }
  for (int64_t c = 0; c < cols; c += kStreamColumns)  // a few words of many rows: they are neighbours in memory
    for (int64_t r = 0; r < count; ++r)
      lowbit::read_words(Words::kStream, bits, codes_.data() + 4 * (c * bits / 32 * rows + first + r),
                         std::min(kStreamColumns, cols - c), u + r * cols + c, rows);
}

void StoredQuantized::expand(int64_t row, const uint8_t* u, float* weights) const {
  const float* scale = scales.data() + row * groups;
  const int16_t* zero = zeros.empty() ? nullptr : zeros.data() + row * groups;
  for (int64_t c = 0; c < cols; ++c) {
    const int32_t group = group_of[static_cast<size_t>(c)];
    const int code = u[c] - (zero == nullptr ? 1 << (bits - 1) : zero[group]);
    weights[c] = code == 0 ? 0.0f : scale[group] * static_cast<float>(code);
  }
}

std::string StoredQuantized::why_not_direct() const {
  if (bits != 3 && bits != 4 && bits != 6 && bits != 8)
    return fmt::format("has {} bits; 3, 4, 6 and 8 are multiplied as they are", bits);
  if (!zeros.empty()) return "has zero points (it is not symmetric)";
  if (group_size == 0) return "has groups of columns that are not neighbours (activation order without static groups)";
  return "";
}

bool is_stored_quantized(const ModelDirectory& directory, const QuantizedConfig& config, const Parameter& parameter) {
  if (parameter.vector() || parameter.role == Role::kEmbedding) return false;
  if (directory.find(quantized_names(config.format, parameter.name).codes) != nullptr) return true;
  return parameter.role == Role::kLinear && directory.find(parameter.name) == nullptr;
}

StoredQuantized stored_quantized(const ModelDirectory& directory, const QuantizedConfig& config, const Parameter& parameter) {
  const QuantizedNames names = quantized_names(config.format, parameter.name);
  const bool gptq = config.format == QuantizedFormat::kGptq;
  StoredQuantized m;
  m.format_ = config.format;
  m.bits = config.bits;
  m.rows = parameter.rows;
  m.cols = parameter.cols;
  const int64_t size = config.group_size == 0 ? m.cols : std::min(config.group_size, m.cols);
  m.groups = (m.cols + size - 1) / size;
  if (gptq && (m.cols * m.bits % 32 != 0 || m.rows * m.bits % 32 != 0))
    throw bad_input(fmt::format("{}: {} is {} x {}, which is no whole number of words of {} bits", directory.path().string(),
                                parameter.name, m.rows, m.cols, m.bits),
                    kModelHint);
  const int64_t words = lowbit::word_count(gptq ? Words::kStream : Words::kWhole, m.bits, m.cols);
  const TensorView& codes = typed_tensor(directory, names.codes, DType::kI32,
                                         gptq ? std::vector<int64_t>{words, m.rows} : std::vector<int64_t>{m.rows, words});
  m.codes_ = codes.data;
  m.scales = read_scales(directory, names.scale, m.rows, m.groups, gptq);
  if (gptq) {
    const int64_t apart = lowbit::word_count(Words::kStream, m.bits, m.rows);
    m.zeros = read_zeros(typed_tensor(directory, names.zero, DType::kI32, {m.groups, apart}), Words::kStream, m.bits, m.rows,
                         m.groups, apart, 1, config.zero_less_one ? 1 : 0);
    check_no_bias(directory, parameter.name);
  } else {
    check_shape_tensor(directory, names.shape, parameter);
    const int64_t words_of_rows = lowbit::word_count(Words::kWhole, m.bits, m.rows);
    if (!config.symmetric || directory.find(names.zero) != nullptr)
      m.zeros = read_zeros(typed_tensor(directory, names.zero, DType::kI32, {words_of_rows, m.groups}), Words::kWhole, m.bits,
                           m.rows, m.groups, 1, m.groups, 0);
  }
  std::vector<int32_t> in_order(static_cast<size_t>(m.cols));
  for (int64_t c = 0; c < m.cols; ++c) in_order[static_cast<size_t>(c)] = static_cast<int32_t>(c / size);
  const bool stored_groups = directory.find(names.group) != nullptr;
  if (gptq && config.act_order && !stored_groups) directory.get(names.group);  // throws: nobody could say which group is whose
  m.group_of = stored_groups ? read_groups(directory, names.group, m.cols, m.groups) : in_order;
  m.group_size = m.group_of == in_order ? size : 0;
  for (const std::string& name : {names.codes, names.scale, names.zero, names.group, names.shape})
    if (const TensorView* view = name.empty() ? nullptr : directory.find(name)) m.bytes += view->data.size();
  return m;
}

void require_direct(const StoredQuantized& matrix, const std::string& name) {
  const std::string why = matrix.why_not_direct();
  if (!why.empty())
    throw bad_input(fmt::format("{} {}", name, why), "`spectra unpack` writes the model as fp16 weights, which run");
}

lowbit::QuantizedMatrix quantized_matrix(const StoredQuantized& matrix) {
  SPECTRA_CHECK(matrix.why_not_direct().empty(), "{}", matrix.why_not_direct());
  lowbit::QuantizedMatrix m;
  m.rows = matrix.rows;
  m.cols = matrix.cols;
  m.bits = matrix.bits;
  m.group_size = matrix.group_size;
  m.scales = matrix.scales;
  std::vector<uint8_t> u(static_cast<size_t>(m.rows * m.cols));
  matrix.read(0, m.rows, u.data());
  m.codes.resize(u.size());
  std::transform(u.begin(), u.end(), m.codes.begin(), [&](uint8_t x) { return static_cast<int8_t>(x - (1 << (m.bits - 1))); });
  return m;
}

}  // namespace spectra::model
