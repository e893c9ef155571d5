// SPDX-License-Identifier: Apache-2.0
#include "model/check_gguf.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/progress.h"
#include "base/system.h"
#include "format/gguf.h"
#include "model/gguf_model.h"
#include "model/rope_order.h"
#include "model/weight_rows.h"

namespace spectra::model {
namespace {

using format::GgufTensor;

GgufCheck::Tensor compare(const GgufTensor* tensor, const Parameter& parameter, const WeightRows& rows) {
  GgufCheck::Tensor result;
  result.name = gguf_name(parameter);
  if (tensor == nullptr) {
    result.problem = "the file has no such tensor";
    return result;
  }
  const format::GgmlTypeInfo& info = format::ggml_type(tensor->type);
  result.type = info.name;
  if (tensor->shape != tensor_shape(parameter))
    result.problem =
        fmt::format("is [{}], the model has [{}]", fmt::join(tensor->shape, ", "), fmt::join(tensor_shape(parameter), ", "));
  else if (!info.codec)
    result.problem = fmt::format("spectra does not decode {}", info.name);
  if (!result.problem.empty()) return result;

  const WeightRows::Matrix matrix = rows.matrix(parameter);
  const int64_t bytes = format::ggml_row_bytes(tensor->type, parameter.cols);
  std::vector<float> wanted(static_cast<size_t>(parameter.cols)), found(wanted.size());
  for (int64_t r = 0; r < parameter.rows; ++r) {
    matrix.read(gguf_reorders_rows(parameter) ? half_split_row(r, rows.config().head_dim()) : r, wanted.data());
    format::ggml_decode(tensor->type, tensor->data.data() + r * bytes, parameter.cols, found.data());
    result.difference.see(wanted.data(), found.data(), parameter.cols);
  }
  matrix.release();
  release_mapped(tensor->data);
  return result;
}

/// What the header says otherwise than the model's config.json.
std::vector<std::string> compare_settings(const Config& file, const Config& model) {
  std::vector<std::string> found;
  const auto see = [&](const char* key, auto there, auto here) {
    if (there != here) found.push_back(fmt::format("llama.{} is {}, the model has {}", key, there, here));
  };
  see("embedding_length", file.hidden, model.hidden);
  see("block_count", file.layers, model.layers);
  see("feed_forward_length", file.glu, model.glu);
  see("attention.head_count", file.heads, model.heads);
  see("attention.head_count_kv", file.kv_heads, model.kv_heads);
  see("context_length", file.max_position, model.max_position);
  see("rope.freq_base", file.rope.theta, model.rope.theta);
  see("attention.layer_norm_rms_epsilon", file.norm_eps, model.norm_eps);
  return found;
}

}  // namespace

bool GgufCheck::exact() const {
  return settings.empty() && std::all_of(tensors.begin(), tensors.end(), [](const Tensor& tensor) { return tensor.exact(); });
}

GgufCheck check_gguf(const fs::path& path, const fs::path& model) {
  const format::GgufFile file(path);
  const format::ModelDirectory directory(model);
  const WeightRows rows(directory);
  GgufCheck check;
  check.settings = compare_settings(config_from_gguf(file.contents()), rows.config());
  const std::vector<Parameter> all = parameters(rows.config());
  std::set<std::string> known;
  Progress progress("comparing", all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    check_interrupted();
    progress.update(i, all[i].name);
    known.insert(gguf_name(all[i]));
    check.tensors.push_back(compare(file.contents().tensor(gguf_name(all[i])), all[i], rows));
  }
  progress.clear();
  for (const GgufTensor& tensor : file.contents().tensors)
    if (known.count(tensor.name) == 0)
      check.tensors.push_back({tensor.name, format::ggml_type(tensor.type).name, "the model has no such tensor", {}});
  return check;
}

}  // namespace spectra::model
