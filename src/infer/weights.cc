// SPDX-License-Identifier: Apache-2.0
#include "infer/weights.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/half.h"
#include "infer/cpu/int8_head.h"
#include "infer/cpu/quantized_weights.h"
#include "model/variants.h"

namespace spectra::infer {
namespace {

using format::ModelDirectory;
using format::TensorView;
using model::Slot;

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t n : shape) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "[" + text + "]";
}

/// The tensor of `name` after checking its type and shape.
const TensorView& checked(const ModelDirectory& files, const std::string& name, const std::vector<int64_t>& shape) {
  const TensorView& view = files.get(name);
  if (view.shape != shape)
    throw bad_input(fmt::format("{}: tensor {} has shape {}", files.path().string(), name, shape_text(view.shape)),
                    fmt::format("config.json makes it {}: config and weights are of different models", shape_text(shape)));
  if (!is_float(view.dtype))
    throw bad_input(fmt::format("{}: tensor {} is of type {}", files.path().string(), name, dtype_name(view.dtype)),
                    "weights are F32, F16, BF16 or F64, or packed by `spectra pack`");
  return view;
}

/// A norm or a bias.
std::vector<float> load_vector(const ModelDirectory& files, const model::Parameter& parameter) {
  std::vector<float> values(static_cast<size_t>(parameter.cols));
  format::read_floats(checked(files, parameter.name, {parameter.cols}), values.data());
  return values;
}

/// Foreign files may hold odd-length tensors, after which elements are not aligned: those, and F64, are copied.
DenseMatrix load_dense(const ModelDirectory& files, const model::Parameter& parameter) {
  const TensorView& view = checked(files, parameter.name, {parameter.rows, parameter.cols});
  const bool aligned = reinterpret_cast<uintptr_t>(view.data.data()) % dtype_size(view.dtype) == 0;
  if (aligned && view.dtype != DType::kF64) return {view.dtype, view.data.data(), nullptr};
  auto copy = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(view.elements()) * sizeof(float));
  format::read_floats(view, reinterpret_cast<float*>(copy->data()));
  return {DType::kF32, copy->data(), copy};
}

class Loader {
 public:
  Loader(const fs::path& path, Backing backing) : model_(std::make_shared<Model>()) {
    files_ = std::make_shared<ModelDirectory>(path, backing);
    const std::string where = (path / "config.json").string();
    model_->path = path;
    model_->files = files_;
    model_->config = model::config_from_json(files_->config_json(), where);
    using model::Variant;
    model::require_supported(model_->config, "the inference engine",
                             {Variant::kHeadDim, Variant::kQkvBias, Variant::kActivation, Variant::kSubNorms, Variant::kLinearNorms,
                              Variant::kHeadNorms, Variant::kRopeScaling, Variant::kWindow});
    model_->format = model::packed_format_from_json(files_->config_json());
    if (model_->packed()) packed_ = model::packed_config_from_json(files_->config_json(), where);
    quantized_ = model::quantized_config_from_json(files_->config_json(), where);
    for (model::Parameter& parameter : model::parameters(model_->config)) parameters_[parameter.name] = std::move(parameter);
  }

  std::shared_ptr<const Model> load(const LoadOptions& options) {
    Model& m = *model_;
    m.embedding = matrix({-1, Slot::kEmbedding});
    m.layers.reserve(static_cast<size_t>(m.config.layers));
    for (int64_t i = 0; i < m.config.layers; ++i) m.layers.push_back(layer(i));
    m.final_norm = vector({-1, Slot::kFinalNorm});
    m.head = m.config.tied ? m.embedding : matrix({-1, Slot::kHead});
    if (quantized_) read_quantized_layers();
    if (options.int8_head) m.head.weight = round_to_int8(m.head, !m.config.tied);
    return model_;
  }

 private:
  const model::Parameter& parameter(const model::Place& place) const {
    const auto found = parameters_.find(model::parameter_name(place));
    SPECTRA_CHECK(found != parameters_.end(), "{}", model::parameter_name(place));
    return found->second;
  }

  /// Empty where the model has none.
  std::vector<float> vector(const model::Place& place) const {
    const auto found = parameters_.find(model::parameter_name(place));
    return found != parameters_.end() ? load_vector(*files_, found->second) : std::vector<float>();
  }

  Layer layer(int64_t index) {
    Layer l;
    l.input_norm = vector({index, Slot::kInputNorm});
    l.q = linear(index, Slot::kQ, Slot::kQLinearNorm);
    l.k = linear(index, Slot::kK, Slot::kKLinearNorm);
    l.v = linear(index, Slot::kV, Slot::kVLinearNorm);
    l.q.bias = vector({index, Slot::kQBias});
    l.k.bias = vector({index, Slot::kKBias});
    l.v.bias = vector({index, Slot::kVBias});
    l.q_head_norm = vector({index, Slot::kQHeadNorm});
    l.k_head_norm = vector({index, Slot::kKHeadNorm});
    l.attention_sub_norm = vector({index, Slot::kAttentionSubNorm});
    l.o = linear(index, Slot::kO, Slot::kOLinearNorm);
    l.post_attention_norm = vector({index, Slot::kPostNorm});
    l.gate = linear(index, Slot::kGate, Slot::kGateLinearNorm);
    l.up = linear(index, Slot::kUp, Slot::kUpLinearNorm);
    l.mlp_sub_norm = vector({index, Slot::kMlpSubNorm});
    l.down = linear(index, Slot::kDown, Slot::kDownLinearNorm);
    return l;
  }

  Linear linear(int64_t layer, Slot slot, Slot its_norm) {
    Linear l = matrix({layer, slot});
    l.norm = vector({layer, its_norm});
    return l;
  }

  Linear matrix(const model::Place& place) {
    const model::Parameter& p = parameter(place);
    Linear l;
    l.name = model::module_name(p.name);
    l.rows = p.rows;
    l.cols = p.cols;
    if (packed_ && p.role == model::Role::kLinear)
      l.weight = PackedLinear(model::packed_matrix(*files_, *packed_, p));
    else if (quantized_ && (p.role == model::Role::kLinear || model::is_stored_quantized(*files_, *quantized_, p)))
      l.weight = quantized(p);
    else
      l.weight = load_dense(*files_, p);
    return l;
  }

  /// Without codes and scales: see read_quantized_layers.
  PackedLinear quantized(const model::Parameter& p) {
    const std::string where = fmt::format("{}: {}", files_->path().string(), p.name);
    if (p.role != model::Role::kLinear) throw bad_input(where + " is quantized", kUnpack);
    if (!model::is_stored_quantized(*files_, *quantized_, p))
      throw bad_input(where + " is not quantized, other layers are", kUnpack);
    model::StoredQuantized matrix = model::stored_quantized(*files_, *quantized_, p);
    PackedLinear packed(quantized_layout(matrix, where));
    stored_.emplace(model::module_name(p.name), std::move(matrix));
    return packed;
  }

  /// All at once, when every layer is where it will stay.
  void read_quantized_layers() {
    std::vector<QuantizedLinear> all;
    for (Layer& l : model_->layers)
      for (Linear* w : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) all.push_back({std::move(stored_.at(w->name)), w});
    model_->format = lowbit::format_name(std::get<PackedLinear>(all.front().to->weight).matrix.layout.format);
    read_quantized(all);
  }

  static constexpr const char* kUnpack = "`spectra unpack` writes the model as fp16 weights, which run";

  std::shared_ptr<Model> model_;
  std::shared_ptr<ModelDirectory> files_;
  std::optional<model::PackedConfig> packed_;
  std::optional<model::QuantizedConfig> quantized_;
  std::map<std::string, model::StoredQuantized> stored_;  ///< of quantized layers, by layer name
  std::map<std::string, model::Parameter> parameters_;
};

}  // namespace

PackedLinear::PackedLinear(lowbit::Layout layout) {
  matrix.layout = std::move(layout);
  matrix.tile_bytes = matrix.layout.tile_bytes();
  const int64_t width = lowbit::group_columns(matrix.layout.format);
  for (size_t s = 0; s + 1 < matrix.layout.segments.size(); ++s) {
    const int64_t cols = matrix.layout.segments[s + 1] - matrix.layout.segments[s], count = (cols + width - 1) / width;
    columns.push_back(static_cast<size_t>(cols));
    groups.push_back(static_cast<size_t>(count));
    padded_cols += count * width;
  }
  scales.assign(columns.size() * static_cast<size_t>(matrix.layout.tiles() * lowbit::kTileRows), 0.0f);
}

PackedLinear::PackedLinear(model::PackedMatrix m) : PackedLinear(m.layout) {
  matrix = std::move(m);
  const bool by_rows = matrix.axis == lowbit::ShardAxis::kRows;
  for (size_t i = 0; i < matrix.scales.size(); ++i) {
    const int64_t begin = by_rows ? matrix.bounds[i] : 0, end = by_rows ? matrix.bounds[i + 1] : matrix.layout.rows;
    for (int64_t r = begin; r < end; ++r) scale(r, by_rows ? 0 : static_cast<int64_t>(i)) = matrix.scales[i];
  }
}

kernels::TileSpan PackedLinear::span(int64_t begin, int64_t end) const {
  const int64_t rows = std::min(matrix.layout.rows, end * lowbit::kTileRows) - begin * lowbit::kTileRows;
  return {matrix.tile(begin),
          static_cast<size_t>(matrix.tile_bytes),
          static_cast<size_t>(end - begin),
          static_cast<size_t>(rows),
          columns.size(),
          groups.data(),
          scales.data() + begin * static_cast<int64_t>(columns.size()) * lowbit::kTileRows,
          matrix.tile(end)};
}

bool PackedLinear::same_columns(const PackedLinear& other) const {
  return matrix.layout.format == other.matrix.layout.format && columns == other.columns;
}

std::vector<const Linear*> Model::linears() const {
  std::vector<const Linear*> all;
  for (const Layer& l : layers) all.insert(all.end(), {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down});
  return all;
}

std::shared_ptr<const Model> load_model(const fs::path& directory, const LoadOptions& options) {
  return Loader(directory, options.backing).load(options);
}

const char* head_name(const Model& model) {
  if (model.head.packed()) return "int8";
  switch (std::get<DenseMatrix>(model.head.weight).dtype) {
    case DType::kF32:
      return "fp32";
    case DType::kF16:
      return "fp16";
    default:
      return "bf16";
  }
}

void read_row(const Linear& linear, int64_t row, float* out) {
  const DenseMatrix& matrix = std::get<DenseMatrix>(linear.weight);
  const int64_t begin = row * linear.cols;
  const auto count = static_cast<size_t>(linear.cols);
  switch (matrix.dtype) {
    case DType::kF32:
      std::memcpy(out, static_cast<const float*>(matrix.data) + begin, count * sizeof(float));
      return;
    case DType::kF16:
      for (size_t i = 0; i < count; ++i) out[i] = to_float((static_cast<const fp16*>(matrix.data) + begin)[i]);
      return;
    case DType::kBf16:
      for (size_t i = 0; i < count; ++i) out[i] = to_float((static_cast<const bf16*>(matrix.data) + begin)[i]);
      return;
    default:
      SPECTRA_CHECK(false, "{}", dtype_name(matrix.dtype));
  }
}

}  // namespace spectra::infer
