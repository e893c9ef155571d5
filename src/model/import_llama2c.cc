// SPDX-License-Identifier: Apache-2.0
#include "model/import_llama2c.h"

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "format/model_directory.h"
#include "format/safetensors.h"
#include "model/rope_order.h"
#include "text/llama2c.h"
#include "text/tokenizer.h"

namespace spectra::model {
namespace {

constexpr size_t kHeaderBytes = 7 * sizeof(int32_t);
// Far above any llama2.c model; products of three stay within 63 bits.
constexpr int64_t kLargestDimension = int64_t{1} << 20;

Error not_llama2c(const std::string& where, const std::string& why) {
  return bad_input(fmt::format("{}: {}", where, why), "convert reads llama2.c checkpoints of version 0, such as stories15M.bin");
}

Config read_header(std::span<const std::byte> bytes, const std::string& where) {
  if (bytes.size() < kHeaderBytes)
    throw not_llama2c(where, fmt::format("{} bytes are too few for a header of {}", bytes.size(), kHeaderBytes));
  int32_t header[7];
  std::memcpy(header, bytes.data(), kHeaderBytes);
  static const char* const kNames[7] = {"dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len"};
  for (size_t i = 0; i < 7; ++i) {
    const int64_t value = i == 5 ? std::abs(int64_t{header[i]}) : header[i];
    if (value < 1 || value > kLargestDimension)
      throw not_llama2c(where, fmt::format("{} = {} in the header, allowed are 1 to {}", kNames[i], header[i], kLargestDimension));
  }
  Config c;
  c.hidden = header[0];
  c.glu = header[1];
  c.layers = header[2];
  c.heads = header[3];
  c.kv_heads = header[4];
  c.vocab = std::abs(int64_t{header[5]});
  c.tied = header[5] > 0;
  c.max_position = header[6];
  c.bos = 1;  // llama2.c's tokenizers are SentencePiece's: 0 unknown, 1 BOS, 2 EOS
  c.eos = 2;
  if (c.hidden % c.heads != 0 || c.heads % c.kv_heads != 0 || c.head_dim() % 2 != 0)
    throw not_llama2c(where, fmt::format("dim {}, {} heads and {} kv heads do not divide", c.hidden, c.heads, c.kv_heads));
  return c;
}

/// One kind of parameter, stacked over all layers.
struct Stack {
  Slot slot;
  int64_t elements;  // of one layer
};

/// Reorders rows of a q or k matrix from adjacent to half-split pairs.
std::vector<float> permuted(const float* rows, int64_t count, int64_t cols, int64_t head_dim) {
  std::vector<float> out(static_cast<size_t>(count * cols));
  for (int64_t r = 0; r < count; ++r)
    std::memcpy(out.data() + r * cols, rows + adjacent_row(r, head_dim) * cols, static_cast<size_t>(cols) * sizeof(float));
  return out;
}

void write_llama2c_weights(const MappedFile& file, const Llama2c& source, const fs::path& path) {
  const std::vector<Parameter> all = parameters(source.config);
  std::vector<format::SafetensorsWriter::Entry> entries;
  for (const Parameter& p : all) entries.push_back({p.name, DType::kF32, tensor_shape(p)});
  format::SafetensorsWriter writer(path, std::move(entries));
  for (const Parameter& p : all) {
    const auto bytes = static_cast<size_t>(p.rows * p.cols) * sizeof(float);
    const std::byte* data = file.bytes().data() + source.offsets.at(p.name);
    if (is_turned(p.slot))
      writer.write(permuted(reinterpret_cast<const float*>(data), p.rows, p.cols, source.config.head_dim()).data(), bytes);
    else
      writer.write(data, bytes);
  }
  writer.close();
}

void write_llama2c_tokenizer(const text::Tokenizer& tokenizer, const Config& config, const fs::path& directory) {
  const std::string bos = tokenizer.decode({static_cast<uint32_t>(config.bos)}, true);
  const std::string eos = tokenizer.decode({static_cast<uint32_t>(config.eos)}, true);
  const nlohmann::ordered_json settings = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                                           {"add_bos_token", tokenizer.adds_bos()},
                                           {"bos_token", bos},
                                           {"eos_token", eos},
                                           {"clean_up_tokenization_spaces", false},
                                           {"model_max_length", config.max_position}};
  const nlohmann::ordered_json special = {{"bos_token", bos}, {"eos_token", eos}};
  const nlohmann::ordered_json generation = {{"bos_token_id", config.bos}, {"eos_token_id", config.eos}};
  write_file(directory / "tokenizer.json", tokenizer.json());
  write_file(directory / "tokenizer_config.json", settings.dump(2) + "\n");
  write_file(directory / "special_tokens_map.json", special.dump(2) + "\n");
  write_file(directory / "generation_config.json", generation.dump(2) + "\n");
}

}  // namespace

Llama2c parse_llama2c(std::span<const std::byte> bytes, const std::string& where) {
  Llama2c result{read_header(bytes, where), {}};
  const Config& c = result.config;
  size_t at = kHeaderBytes;
  const auto take = [&](const std::string& name, int64_t elements) {
    if (!name.empty()) result.offsets[name] = at;
    at += static_cast<size_t>(elements) * sizeof(float);
  };
  const Stack stacks[] = {{Slot::kInputNorm, c.hidden},      {Slot::kQ, c.hidden * c.hidden}, {Slot::kK, c.kv_dim() * c.hidden},
                          {Slot::kV, c.kv_dim() * c.hidden}, {Slot::kO, c.hidden * c.hidden}, {Slot::kPostNorm, c.hidden},
                          {Slot::kGate, c.glu * c.hidden},   {Slot::kDown, c.glu * c.hidden}, {Slot::kUp, c.glu * c.hidden}};
  int64_t layer_elements = 0;
  for (const Stack& stack : stacks) layer_elements += stack.elements;
  // Before anything is built for each layer: a header that lies about the number of layers must not cost memory.
  const auto implied = [&](int64_t elements) { return kHeaderBytes + static_cast<size_t>(elements) * sizeof(float); };
  const int64_t tables = c.max_position * c.head_dim(), embedding = c.vocab * c.hidden;
  const size_t expected = implied(embedding * (c.tied ? 1 : 2) + c.layers * layer_elements + c.hidden + tables);
  if (bytes.size() != expected)
    throw not_llama2c(where, fmt::format("{} bytes, but its header implies {}: it is {}", bytes.size(), expected,
                                         bytes.size() < expected ? "truncated" : "not of this format"));
  take(parameter_name({-1, Slot::kEmbedding}), embedding);
  for (const Stack& stack : stacks)
    for (int64_t i = 0; i < c.layers; ++i) take(parameter_name({i, stack.slot}), stack.elements);
  take(parameter_name({-1, Slot::kFinalNorm}), c.hidden);
  take("", tables);
  if (!c.tied) take(parameter_name({-1, Slot::kHead}), embedding);
  SPECTRA_CHECK(at == bytes.size(), "{} of {}", at, bytes.size());
  return result;
}

void convert_llama2c(const fs::path& checkpoint, const fs::path& tokenizer_path, const fs::path& out) {
  require_new_directory(out);
  const MappedFile file(checkpoint);
  const Llama2c source = parse_llama2c(file.bytes(), checkpoint.string());
  const text::Tokenizer tokenizer =
      tokenizer_path.extension() == ".bin"
          ? text::Tokenizer::parse(text::tokenizer_json_from_llama2c(tokenizer_path), tokenizer_path.string())
          : text::Tokenizer::load(tokenizer_path);
  if (tokenizer.vocab_size() != source.config.vocab)
    throw bad_input(fmt::format("{} has {} tokens and {} has {}", tokenizer_path.string(), tokenizer.vocab_size(),
                                checkpoint.string(), source.config.vocab),
                    "give the tokenizer that the model was trained with");
  AtomicDirectory directory(out);
  write_llama2c_weights(file, source, directory.path() / "model.safetensors");
  write_file(directory.path() / "config.json", config_to_json(source.config, "float32"));
  write_llama2c_tokenizer(tokenizer, source.config, directory.path());
  format::Provenance provenance;
  provenance.family = family_name(source.config.family);
  provenance.parent = checkpoint.filename().string();
  format::write_provenance(directory.path(), provenance);
  directory.commit();
}

}  // namespace spectra::model
