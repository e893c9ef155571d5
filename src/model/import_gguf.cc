// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/half.h"
#include "base/hash.h"
#include "base/system.h"
#include "format/gguf.h"
#include "format/model_directory.h"
#include "model/convert.h"
#include "model/gguf_model.h"
#include "model/hf_tensors.h"
#include "model/repack.h"
#include "model/rope_order.h"
#include "text/bpe_trainer.h"
#include "text/gguf_tokenizer.h"

namespace spectra::model {
namespace {

using format::GgmlType;
using format::GgufContents;
using format::GgufTensor;

const GgufTensor& checked_tensor(const GgufContents& contents, const Parameter& parameter) {
  const std::string name = gguf_name(parameter);
  const GgufTensor* tensor = contents.tensor(name);
  if (tensor == nullptr)
    throw bad_input(fmt::format("{}: tensor {} is missing", contents.where, name),
                    "the file is incomplete, or one of several parts");
  if (tensor->shape != tensor_shape(parameter))
    throw bad_input(fmt::format("{}: tensor {} is [{}], its header makes it [{}]", contents.where, name,
                                fmt::join(tensor->shape, ", "), fmt::join(tensor_shape(parameter), ", ")),
                    "the file is damaged");
  if (!format::ggml_type(tensor->type).codec)
    throw bad_input(fmt::format("{}: tensor {} is {}", contents.where, name, format::ggml_type(tensor->type).name),
                    "spectra reads F32, F16, BF16, Q8_0, Q4_0, Q6_K, TQ1_0 and TQ2_0");
  return *tensor;
}

/// Everything in the file must be part of the model: a bias that is left out would change what it computes.
void refuse_others(const GgufContents& contents, const std::vector<Parameter>& all) {
  std::set<std::string> known;
  for (const Parameter& parameter : all) known.insert(gguf_name(parameter));
  for (const GgufTensor& tensor : contents.tensors)
    if (known.count(tensor.name) == 0)
      throw bad_input(fmt::format("{}: tensor {} has no place in a model of {} layers without biases", contents.where, tensor.name,
                                  contents.integer("llama.block_count")),
                      "spectra reads the plain Llama architecture");
}

/// The tensor as floats (quantized types) or with the bits it has; `to` is `from` as yet.
HfTensor hf_tensor(const GgufContents& contents, const Parameter& parameter, const Config& config) {
  const GgufTensor& tensor = checked_tensor(contents, parameter);
  const DType from = tensor.type == GgmlType::kF16 ? DType::kF16 : tensor.type == GgmlType::kBf16 ? DType::kBf16 : DType::kF32;
  const int64_t cols = parameter.cols, bytes = format::ggml_row_bytes(tensor.type, cols), head_dim = config.head_dim();
  const bool reorder = gguf_reorders_rows(parameter), quantized = format::ggml_type(tensor.type).block > 1;
  const auto read = [&tensor, where = contents.where, cols, bytes, head_dim, reorder, quantized](int64_t row, std::byte* out) {
    const std::byte* stored = tensor.data.data() + (reorder ? adjacent_row(row, head_dim) : row) * bytes;
    if (!quantized) {
      std::memcpy(out, stored, static_cast<size_t>(bytes));
      return;
    }
    std::vector<float> values(static_cast<size_t>(cols));
    format::ggml_decode(tensor.type, stored, cols, values.data());
    for (const float value : values)
      if (!std::isfinite(value))
        throw bad_input(fmt::format("{}: tensor {}: row {} holds {}", where, tensor.name, row, value), "the file is damaged");
    std::memcpy(out, values.data(), values.size() * sizeof(float));
  };
  return {parameter.name, tensor_shape(parameter), from, from, read, [&tensor] { release_mapped(tensor.data); }};
}

/// F16, BF16 and F32 stay; quantized weights become F16 where it holds them all (TQ always does), else F32; norms take the type of
/// the embedding where it holds them, as they are F32 in every GGUF file.
void choose_types(std::vector<HfTensor>& tensors, const std::vector<Parameter>& all, const GgufContents& contents,
                  const std::optional<DType>& wanted) {
  for (size_t i = 0; i < all.size(); ++i) {
    HfTensor& tensor = tensors[i];
    const bool quantized = format::ggml_type(contents.tensor(gguf_name(all[i]))->type).block > 1;
    if (wanted)
      tensor.to = *wanted;
    else if (quantized && fits(tensor, DType::kF16))
      tensor.to = DType::kF16;
    else if (all[i].role == Role::kNorm && tensor.from == DType::kF32 && fits(tensor, tensors[0].to))
      tensor.to = tensors[0].to;
  }
}

text::Tokenizer import_tokenizer(const GgufContents& contents, const fs::path& given, Config& config) {
  if (!given.empty()) {
    const text::Tokenizer tokenizer = text::Tokenizer::load(given);
    config.bos = tokenizer.bos(), config.eos = tokenizer.eos();
    return tokenizer;
  }
  const text::GgufTokenizer parts = text::read_gguf_tokenizer(contents);
  const std::string document = text::tokenizer_json_from_gguf(parts, contents.where);
  const auto name = [&](int32_t id) { return id < 0 ? nlohmann::json() : nlohmann::json(parts.tokens[static_cast<size_t>(id)]); };
  const nlohmann::json names = {{"bos_token", name(parts.bos)}, {"eos_token", name(parts.eos)}, {"add_bos_token", parts.add_bos}};
  const text::Tokenizer tokenizer = text::Tokenizer::parse(document, contents.where, names.dump());
  config.bos = parts.bos, config.eos = parts.eos;
  return tokenizer;
}

void write_tokenizer(const text::Tokenizer& tokenizer, const Config& config, const fs::path& directory) {
  write_file(directory / "tokenizer.json", tokenizer.json());
  if (config.bos < 0 || config.eos < 0) return;
  const std::string bos = tokenizer.decode({static_cast<uint32_t>(config.bos)}, true);
  const std::string eos = tokenizer.decode({static_cast<uint32_t>(config.eos)}, true);
  write_file(directory / "tokenizer_config.json", text::tokenizer_config_json(bos, eos, tokenizer.adds_bos()));
  write_file(directory / "special_tokens_map.json", text::special_tokens_map_json(bos, eos));
  const nlohmann::ordered_json generation = {{"bos_token_id", config.bos}, {"eos_token_id", config.eos}};
  write_file(directory / "generation_config.json", generation.dump(2) + "\n");
}

}  // namespace

ConvertReport import_gguf(const fs::path& source, const fs::path& out, const std::optional<DType>& type,
                          const fs::path& tokenizer_path) {
  require_new_directory(out);
  const format::GgufFile file(source);
  const GgufContents& contents = file.contents();
  Config config = config_from_gguf(contents);
  const text::Tokenizer tokenizer = import_tokenizer(contents, tokenizer_path, config);
  if (tokenizer.vocab_size() > config.vocab)
    throw bad_input(fmt::format("{}: the tokenizer has {} entries, the embedding {} rows", contents.where, tokenizer.vocab_size(),
                                config.vocab),
                    "give the tokenizer that the model was trained with");
  const std::vector<Parameter> all = parameters(config);
  refuse_others(contents, all);
  std::vector<HfTensor> tensors;
  for (const Parameter& parameter : all) tensors.push_back(hf_tensor(contents, parameter, config));
  choose_types(tensors, all, contents, type);
  require_disk(hf_bytes(tensors), out, "the model");

  ConvertReport report;
  AtomicDirectory directory(out);
  const std::string sha256 = write_hf_tensors(directory.path() / "model.safetensors", tensors, report);
  write_file(directory.path() / "config.json", config_to_json(config, torch_dtype(tensors[2].to)));  // 2: the first linear layer
  write_tokenizer(tokenizer, config, directory.path());
  format::Provenance provenance;
  provenance.family = family_name(config.family);
  provenance.parent = source.filename().string();
  provenance.extra_json = nlohmann::ordered_json{{"parent_sha256", {{source.filename().string(), sha256_file(source)}}}}.dump();
  format::write_provenance(directory.path(), provenance, {{"model.safetensors", sha256}});
  directory.commit();
  return report;
}

}  // namespace spectra::model
