// SPDX-License-Identifier: Apache-2.0
// GGUF files and model directories, there and back.
#include "model/gguf_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/half.h"
#include "base/rng.h"
#include "format/gguf.h"
#include "format/model_directory.h"
#include "model/check_gguf.h"
#include "model/convert.h"
#include "model/pack.h"
#include "model/rope_order.h"
#include "test_data.h"

namespace spectra::model {
namespace {

using format::GgmlType;

// Two shards of 256 columns in o and 512 in down; GQA; 300 tokens of which 260 are the tokenizer's.
Config tiny_gguf(Family family = Family::kTernary) {
  Config config;
  config.hidden = 512, config.glu = 1024, config.heads = 4, config.kv_heads = 2, config.layers = 1, config.vocab = 300;
  config.shards = 2, config.family = family, config.bos = config.eos = 0;
  return config;
}

/// Byte-level: <|end|>, the 256 bytes, two merges, a run of spaces.
std::string tokenizer_json() {
  using Json = nlohmann::ordered_json;
  Json vocabulary = {{"<|end|>", 0}};
  const auto add = [&](const std::string& spelling) { vocabulary[spelling] = vocabulary.size(); };
  const auto utf8 = [](int c) {
    return c < 128 ? std::string(1, static_cast<char>(c))
                   : std::string{static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
  };
  int other = 256;  // GPT-2's alphabet: printable characters are themselves
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    add(utf8(printable ? byte : other++));
  }
  add("ab"), add("abc");
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const auto token = [](int id, const char* content, bool special) {
    return Json{{"id", id},        {"content", content},     {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", !special}, {"special", special}};
  };
  return Json{{"version", "1.0"},
              {"added_tokens", {token(0, "<|end|>", true), token(259, "    ", false)}},
              {"normalizer", {{"type", "NFC"}}},
              {"pre_tokenizer", byte_level},
              {"post_processor", byte_level},
              {"decoder", byte_level},
              {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", {"a b", "ab c"}}}}}
      .dump();
}

std::string tokenizer_config() { return R"({"bos_token":"<|end|>","eos_token":"<|end|>"})"; }

using SourceChange = std::function<void(const Parameter&, std::vector<float>&)>;

/// A ternary model whose shards have different scales, or a float one.
void write_source(const fs::path& path, const Config& config, DType dtype = DType::kF16, const SourceChange& change = {}) {
  fs::create_directory(path);
  std::vector<format::SafetensorsWriter::Entry> entries;
  for (const Parameter& parameter : parameters(config)) entries.push_back({parameter.name, dtype, tensor_shape(parameter)});
  format::SafetensorsWriter writer(path / "model.safetensors", entries);
  Rng rng(11);
  for (const Parameter& parameter : parameters(config)) {
    std::vector<float> w(static_cast<size_t>(parameter.rows * parameter.cols));
    for (float& value : w) value = static_cast<float>(rng.uniform() - 0.5);
    if (parameter.role == Role::kLinear && config.family == Family::kTernary) {
      const float scales[2] = {to_float(to_bf16(static_cast<float>(0.02 + 0.1 * rng.uniform()))),
                               to_float(to_bf16(static_cast<float>(0.3 + 0.1 * rng.uniform())))};
      const std::vector<int64_t> bounds = shard_bounds(parameter, config.shards);
      for (int64_t r = 0; r < parameter.rows; ++r)
        for (int64_t c = 0; c < parameter.cols; ++c)
          w[static_cast<size_t>(r * parameter.cols + c)] = static_cast<float>(static_cast<int>(rng.below(3)) - 1) *
                                                           scales[(parameter.axis == ShardAxis::kRows ? r : c) < bounds[1] ? 0 : 1];
    }
    if (change) change(parameter, w);
    for (const float value : w) {
      const uint16_t bits = dtype == DType::kF16 ? to_fp16(value).bits : to_bf16(value).bits;
      writer.write(dtype == DType::kF32 ? static_cast<const void*>(&value) : &bits, dtype_size(dtype));
    }
  }
  writer.close();
  write_file(path / "config.json", config_to_json(config, dtype == DType::kF32   ? "float32"
                                                          : dtype == DType::kF16 ? "float16"
                                                                                 : "bfloat16"));
  write_file(path / "tokenizer.json", tokenizer_json());
  write_file(path / "tokenizer_config.json", tokenizer_config());
}

void expect_equal_models(const fs::path& a, const fs::path& b) {
  const format::ModelDirectory x(a), y(b);
  EXPECT_EQ(x.tensors().size(), y.tensors().size());
  for (const format::TensorView* tensor : x.tensors()) {
    const format::TensorView& other = y.get(tensor->name);
    EXPECT_EQ(tensor->dtype, other.dtype) << tensor->name;
    ASSERT_EQ(tensor->data.size(), other.data.size()) << tensor->name;
    EXPECT_EQ(std::memcmp(tensor->data.data(), other.data.data(), other.data.size()), 0) << tensor->name;
  }
}

std::string conversion_refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    return error.what();
  }
  return "accepted";
}

ConvertReport to_gguf(const fs::path& model, const fs::path& out, GgmlType type) {
  return export_gguf(model, out, type, "", true, 2);
}

TEST(RopeOrder, PairsAreAdjacentThereAndApartHere) {
  const std::vector<int64_t> expected = {0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11};
  for (int64_t r = 0; r < 12; ++r) {
    EXPECT_EQ(adjacent_row(r, 6), expected[static_cast<size_t>(r)]);
    EXPECT_EQ(half_split_row(adjacent_row(r, 6), 6), r);
  }
}

TEST(GgufModel, NamesAndOrderOfRows) {
  const test::TemporaryDirectory d;
  // Weight [r, c] of q, k and v is r: shows where rows go.
  write_source(d / "m", tiny_gguf(Family::kFloat), DType::kF16, [](const Parameter& parameter, std::vector<float>& w) {
    for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i / static_cast<size_t>(parameter.cols));
  });
  to_gguf(d / "m", d / "m.gguf", GgmlType::kF32);
  const format::GgufFile file(d / "m.gguf");
  const auto first_of_row = [&](const char* name, int64_t row) {
    const format::GgufTensor* tensor = file.contents().tensor(name);
    float value = -1;
    if (tensor != nullptr) std::memcpy(&value, tensor->data.data() + row * tensor->cols() * 4, 4);
    return value;
  };
  // Heads of 128: row 2i is i, row 2i + 1 is i + 64, head by head; k has two heads.
  for (const char* name : {"blk.0.attn_q.weight", "blk.0.attn_k.weight"}) {
    EXPECT_EQ(first_of_row(name, 2), 1.0f);
    EXPECT_EQ(first_of_row(name, 3), 65.0f);
    EXPECT_EQ(first_of_row(name, 128), 128.0f);
    EXPECT_EQ(first_of_row(name, 129), 192.0f);
  }
  for (const char* name : {"token_embd.weight", "output.weight", "blk.0.attn_v.weight", "blk.0.attn_output.weight",
                           "blk.0.ffn_gate.weight", "blk.0.ffn_up.weight", "blk.0.ffn_down.weight"})
    EXPECT_EQ(first_of_row(name, 3), 3.0f) << name;
  EXPECT_EQ(file.contents().tensors.size(), 12u);
  EXPECT_EQ(file.contents().tensor("blk.0.ffn_down.weight")->shape, (std::vector<int64_t>{512, 1024}));
  EXPECT_EQ(file.contents().tensor("blk.0.ffn_norm.weight")->type, GgmlType::kF32);
}

TEST(GgufModel, TokenizerIsWhole) {
  const test::TemporaryDirectory d;
  write_source(d / "m", tiny_gguf());
  to_gguf(d / "m", d / "m.gguf", GgmlType::kF16);
  const format::GgufFile file(d / "m.gguf");
  const format::GgufContents& c = file.contents();
  EXPECT_EQ(c.text("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(c.text("tokenizer.ggml.pre"), "olmo");
  const auto& tokens = c.texts("tokenizer.ggml.tokens");
  const std::vector<int64_t> types = c.integers("tokenizer.ggml.token_type");
  ASSERT_EQ(tokens.size(), 300u);
  ASSERT_EQ(types.size(), 300u);
  EXPECT_EQ(tokens[0], "<|end|>");
  EXPECT_EQ(types[0], 3);
  EXPECT_EQ(tokens[1 + 32], "\xc4\xa0");  // a space in GPT-2's alphabet
  EXPECT_EQ(types[1], 1);
  EXPECT_EQ(tokens[258], "abc");
  EXPECT_EQ(tokens[259], "    ");
  EXPECT_EQ(types[259], 4);
  EXPECT_EQ(tokens[260], "[PAD260]");
  EXPECT_EQ(tokens[299], "[PAD299]");
  EXPECT_EQ(types[299], 5);
  EXPECT_EQ(c.texts("tokenizer.ggml.merges"), (std::vector<std::string_view>{"a b", "ab c"}));
  EXPECT_EQ(c.integer("tokenizer.ggml.eos_token_id"), 0);
  EXPECT_FALSE(c.flag("tokenizer.ggml.add_bos_token", true));
}

TEST(GgufModel, EveryTypeHoldsATernaryModelAndComesBackBitwise) {
  const test::TemporaryDirectory d;
  write_source(d / "m", tiny_gguf());
  pack_model(d / "m", d / "p", lowbit::Format::kTern1_6);
  for (const char* name : {"f32", "f16", "bf16", "q8_0", "q4_0", "q6_k", "tq1_0", "tq2_0"}) {
    const GgmlType type = format::ggml_type_from_name(name);
    const fs::path file = d / (std::string(name) + ".gguf"), again = d / (std::string(name) + "-again.gguf");
    const ConvertReport report = to_gguf(d / "p", file, type);
    EXPECT_TRUE(report.substitutes.empty()) << name << report.substitutes[0].reason;
    EXPECT_EQ(report.types.at(format::ggml_type(type).name) >= 7, true);
    EXPECT_EQ(report.rounded.size(), name == std::string("bf16") ? 2u : 0u);  // fp16 embedding and head
    const bool exact = check_gguf(file, d / "m").exact();
    EXPECT_EQ(exact, name != std::string("bf16"));

    const fs::path back = d / (std::string(name) + "-back");
    import_gguf(file, back, std::nullopt, "");
    if (name == std::string("f16") || name[0] == 'q' || name[0] == 't') expect_equal_models(d / "m", back);
    EXPECT_EQ(config_from_json(read_file(back / "config.json"), "config.json").shards, 2);
    to_gguf(back, again, type);
    const format::GgufFile x(file), y(again);
    for (const format::GgufTensor& tensor : x.contents().tensors) {
      const format::GgufTensor* other = y.contents().tensor(tensor.name);
      ASSERT_EQ(tensor.data.size(), other->data.size());
      EXPECT_EQ(std::memcmp(tensor.data.data(), other->data.data(), tensor.data.size()), 0) << name << tensor.name;
    }
    EXPECT_EQ(nlohmann::json::parse(read_file(back / "tokenizer.json"))["model"]["merges"],
              nlohmann::json::parse(tokenizer_json())["model"]["merges"]);
  }
}

TEST(GgufModel, AnEdgeInsideABlockIsNamedAndKeptExactly) {
  const test::TemporaryDirectory d;
  Config config = tiny_gguf();
  config.hidden = 768;  // o: an edge at 384, inside the second block of 256; 384 is a multiple of 32
  write_source(d / "m", config);
  for (const bool packed : {false, true}) {
    if (packed) pack_model(d / "m", d / "p", lowbit::Format::kTern2);
    const fs::path file = d / (packed ? "p.gguf" : "m.gguf");
    const ConvertReport report = to_gguf(d / (packed ? "p" : "m"), file, GgmlType::kTq2_0);
    ASSERT_EQ(report.substitutes.size(), 1u);
    EXPECT_EQ(report.substitutes[0].tensor, "blk.0.attn_output.weight");
    EXPECT_EQ(report.substitutes[0].type, "F16");
    EXPECT_NE(report.substitutes[0].reason.find("two scales"), std::string::npos);
    EXPECT_EQ(report.types.at("TQ2_0"), 6);
    EXPECT_TRUE(check_gguf(file, d / "m").exact());
  }
  EXPECT_TRUE(to_gguf(d / "m", d / "8.gguf", GgmlType::kQ8_0).substitutes.empty());
  EXPECT_TRUE(check_gguf(d / "8.gguf", d / "m").exact());
}

TEST(GgufModel, RowsThatAreNoWholeBlocks) {
  const test::TemporaryDirectory d;
  Config config = tiny_gguf();
  config.glu = 720;  // no multiple of 32 either
  write_source(d / "m", config);
  const ConvertReport report = to_gguf(d / "m", d / "m.gguf", GgmlType::kTq1_0);
  ASSERT_EQ(report.substitutes.size(), 1u);
  EXPECT_EQ(report.substitutes[0].tensor, "blk.0.ffn_down.weight");
  EXPECT_NE(report.substitutes[0].reason.find("720"), std::string::npos);
  EXPECT_TRUE(check_gguf(d / "m.gguf", d / "m").exact());
}

TEST(GgufModel, FloatWeightsAreRoundedWhereAskedAndRefusedByTernaryTypes) {
  const test::TemporaryDirectory d;
  write_source(d / "m", tiny_gguf(Family::kFloat), DType::kF32);
  const ConvertReport report = to_gguf(d / "m", d / "q.gguf", GgmlType::kQ4_0);
  EXPECT_TRUE(report.substitutes.empty());
  EXPECT_EQ(report.rounded.size(), 9u);  // 7 matrices, and embedding and head that become F16
  const GgufCheck check = check_gguf(d / "q.gguf", d / "m");
  EXPECT_FALSE(check.exact());
  for (const auto& tensor : check.tensors) {
    const bool norm = tensor.name.find("norm") != std::string::npos;
    EXPECT_EQ(tensor.exact(), norm) << tensor.name;
    if (tensor.type == "Q4_0") {
      EXPECT_GT(tensor.difference.relative(), 0.03);
      EXPECT_LE(tensor.difference.relative(), 0.126);
    }
  }
  import_gguf(d / "q.gguf", d / "back", std::nullopt, "");
  EXPECT_EQ(format::ModelDirectory(d / "back").get("model.layers.0.mlp.up_proj.weight").dtype, DType::kF32);  // 15 bits are no fp16
  const std::string why = conversion_refusal([&] { to_gguf(d / "m", d / "t.gguf", GgmlType::kTq2_0); });
  EXPECT_NE(why.find("self_attn.q_proj.weight is not ternary"), std::string::npos) << why;
  EXPECT_FALSE(fs::exists(d / "t.gguf"));
}

TEST(GgufModel, NumbersThatDoNotFitAreRefused) {
  const test::TemporaryDirectory d;
  const auto big = [](float value) {
    return [value](const Parameter& parameter, std::vector<float>& w) {
      if (parameter.name == "model.layers.0.mlp.up_proj.weight") w[700] = value;
    };
  };
  write_source(d / "m", tiny_gguf(Family::kFloat), DType::kF32, big(1e6f));
  EXPECT_NE(conversion_refusal([&] { to_gguf(d / "m", d / "t.gguf", GgmlType::kF16); }).find("too large"), std::string::npos);
  EXPECT_EQ(conversion_refusal([&] { to_gguf(d / "m", d / "t.gguf", GgmlType::kQ8_0); }), "accepted");
  EXPECT_NE(conversion_refusal([&] { convert_hf(d / "m", d / "h", DType::kF16); }).find("too large"), std::string::npos);
  write_source(d / "n", tiny_gguf(Family::kFloat), DType::kF32, big(std::nanf("")));
  EXPECT_NE(conversion_refusal([&] { to_gguf(d / "n", d / "n.gguf", GgmlType::kQ8_0); }).find("is no number"), std::string::npos);
  EXPECT_FALSE(fs::exists(d / "n.gguf"));
  EXPECT_FALSE(fs::exists(d / "h"));
}

/// Replaces bytes of a file.
void patch(const fs::path& file, const std::string& from, const std::string& to) {
  std::string bytes = read_file(file);
  const size_t at = bytes.find(from);
  ASSERT_NE(at, std::string::npos);
  std::ofstream(file, std::ios::binary) << bytes.replace(at, to.size(), to);
}

TEST(GgufModel, ForeignAndDamagedFilesAreRefusedByName) {
  const test::TemporaryDirectory d;
  write_source(d / "m", tiny_gguf());
  const auto import = [&] { import_gguf(d / "x.gguf", d / "out", std::nullopt, ""); };
  const auto damaged = [&](const std::string& from, const std::string& to) {
    fs::remove(d / "x.gguf"), fs::remove_all(d / "out");
    to_gguf(d / "m", d / "x.gguf", GgmlType::kTq2_0);
    patch(d / "x.gguf", from, to);
    return conversion_refusal(import);
  };
  EXPECT_NE(damaged("ffn_up", "ffn_ux").find("ffn_ux.weight has no place"), std::string::npos);
  EXPECT_NE(damaged("block_count", "clock_count").find("llama.block_count is missing"), std::string::npos);
  EXPECT_EQ(damaged("token_type", "token_tipe"), "accepted");  // types have a default
  EXPECT_NE(damaged("olmo", "qwen").find("pre is qwen"), std::string::npos);
  EXPECT_NE(damaged("<|end|>", "<|\xff\xff\xff|>").find("not valid UTF-8"), std::string::npos);
  fs::remove(d / "x.gguf"), fs::remove_all(d / "out");
  to_gguf(d / "m", d / "x.gguf", GgmlType::kTq2_0);
  const uint64_t offset = [&] {
    const format::GgufFile file(d / "x.gguf");
    const auto* tensor = file.contents().tensor("blk.0.attn_v.weight");
    return static_cast<uint64_t>(tensor->data.data() - file.contents().tensors[0].data.data());
  }();
  std::string bytes = read_file(d / "x.gguf");
  uint64_t begin = 0;
  {
    const format::GgufFile file(d / "x.gguf");
    begin =
        bytes.size() - static_cast<uint64_t>(file.contents().tensors.back().data.data() +
                                             file.contents().tensors.back().data.size() - file.contents().tensors[0].data.data());
  }
  bytes[begin + offset + 65] = 0x7e;  // the first block's scale becomes a NaN
  std::ofstream(d / "x.gguf", std::ios::binary) << bytes;
  const std::string why = conversion_refusal(import);
  EXPECT_NE(why.find("blk.0.attn_v.weight: row 0 holds"), std::string::npos) << why;
  EXPECT_FALSE(check_gguf(d / "x.gguf", d / "m").exact());
  EXPECT_FALSE(fs::exists(d / "out"));
}

TEST(GgufModel, ModelsWithoutATokenizerNeedOne) {
  const test::TemporaryDirectory d;
  write_source(d / "m", tiny_gguf());
  fs::rename(d / "m" / "tokenizer.json", d / "t.json");
  EXPECT_NE(conversion_refusal([&] { to_gguf(d / "m", d / "m.gguf", GgmlType::kF16); }).find("holds no tokenizer.json"),
            std::string::npos);
  export_gguf(d / "m", d / "m.gguf", GgmlType::kF16, d / "t.json");
  EXPECT_TRUE(fs::exists(d / "m.gguf"));
  EXPECT_NE(conversion_refusal([&] { export_gguf(d / "m", d / "m.gguf", GgmlType::kF16, d / "t.json"); }).find("exists already"),
            std::string::npos);
}

TEST(ConvertHf, PackedOrNotToAnyType) {
  const test::TemporaryDirectory d;
  write_source(d / "m", tiny_gguf(), DType::kBf16);
  pack_model(d / "m", d / "p", lowbit::Format::kTern2);
  const ConvertReport same = convert_hf(d / "p", d / "same", std::nullopt);
  EXPECT_EQ(same.types.at("BF16"), 12);
  expect_equal_models(d / "m", d / "same");
  const ConvertReport half = convert_hf(d / "p", d / "f16", DType::kF16);
  EXPECT_EQ(half.types.at("F16"), 12);
  for (const auto& rounded : half.rounded)  // their smallest numbers are below fp16's range
    EXPECT_TRUE(rounded.tensor == "model.embed_tokens.weight" || rounded.tensor == "lm_head.weight") << rounded.tensor;
  EXPECT_TRUE(convert_hf(d / "f16", d / "back", DType::kBf16).rounded.empty());
  const format::ModelDirectory before(d / "m"), after(d / "back");
  const auto& a = before.get("model.layers.0.mlp.up_proj.weight").data;
  const auto& b = after.get("model.layers.0.mlp.up_proj.weight").data;
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
}

}  // namespace
}  // namespace spectra::model
