// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/units.h"
#include "cli/command.h"
#include "format/gguf.h"
#include "infer/weights.h"
#include "model/convert.h"
#include "model/import_llama2c.h"

namespace spectra::cli {
namespace {

struct Arguments {
  std::string in, out, to, type, tokenizer;
  bool no_verify = false;
};

Error usage(const std::string& message, const std::string& hint) { return Error(Exit::kUsage, message, hint); }

/// "blk.3.ffn_down.weight" -> "ffn_down", "model.layers.3.mlp.down_proj.weight" -> "down_proj".
std::string kind_of(const std::string& tensor) {
  const std::string stem = tensor.substr(0, tensor.rfind(".weight"));
  return stem.substr(stem.rfind('.') + 1);
}

/// What was stored otherwise than asked for, and what was rounded, for people.
void warn(const model::ConvertReport& report, const std::string& type) {
  std::map<std::string, int64_t> substitutes;
  for (const auto& s : report.substitutes)
    ++substitutes[fmt::format("{} is stored as {}, not {}: {}", kind_of(s.tensor), s.type, type, s.reason)];
  for (const auto& [text, count] : substitutes) log_warning("{} (in {} layers)", text, count);
  if (report.rounded.empty()) return;
  int64_t weights = 0;
  const model::ConvertReport::Rounded* worst = &report.rounded.front();
  for (const auto& rounded : report.rounded) {
    weights += rounded.difference.weights;
    if (rounded.difference.relative() > worst->difference.relative()) worst = &rounded;
  }
  log_info("{} weights in {} tensors were rounded to {}; the furthest by {:.2g} of the largest weight of {}",
           format_count(static_cast<uint64_t>(weights)), report.rounded.size(), type, worst->difference.relative(), worst->tensor);
}

std::string as_json(const model::ConvertReport& report, const Arguments& a, const std::string& format) {
  nlohmann::ordered_json substitutes = nlohmann::ordered_json::array(), rounded = nlohmann::ordered_json::array();
  for (const auto& s : report.substitutes) substitutes.push_back({{"tensor", s.tensor}, {"type", s.type}, {"reason", s.reason}});
  for (const auto& r : report.rounded)
    rounded.push_back({{"tensor", r.tensor}, {"weights", r.difference.weights}, {"relative_error", r.difference.relative()}});
  return nlohmann::ordered_json{
      {"schema", "spectra.convert/1"},   {"out", a.out},          {"format", format},
      {"parameters", report.parameters}, {"bytes", report.bytes}, {"types", report.types},
      {"substitutes", substitutes},      {"rounded", rounded},    {"checksums_verified", report.checksums_verified}}
      .dump();
}

void finish(const model::ConvertReport& report, const Arguments& a, const std::string& format, const std::string& type) {
  warn(report, type);
  std::string types;
  for (const auto& [name, count] : report.types) types += fmt::format("{}{} {}", types.empty() ? "" : ", ", count, name);
  log_info("{}: {} parameters in {} ({})", a.out, format_count(static_cast<uint64_t>(report.parameters)),
           format_bytes(report.bytes), types);
  if (global().json) print_json(as_json(report, a, format));
}

void from_llama2c(const Arguments& a) {
  if (fs::path(a.in).filename().string().rfind("pytorch_model", 0) == 0)
    throw usage(fmt::format("{} is a part of a model", a.in), "give its directory, which holds config.json too");
  if (a.tokenizer.empty())
    throw usage(fmt::format("{} has no tokenizer", a.in), "add --tokenizer FILE, for example the tok512.bin beside it");
  model::convert_llama2c(a.in, a.tokenizer, a.out);
  const auto model = infer::load_model(a.out);  // what was written can be read
  model::ConvertReport report;
  report.parameters = model::count_parameters(model->config).total();
  report.bytes = 4 * static_cast<uint64_t>(report.parameters);
  report.types["F32"] = static_cast<int64_t>(model::parameters(model->config).size());
  finish(report, a, "hf", "F32");
}

void to_gguf(const Arguments& a) {
  const format::GgmlType type = format::ggml_type_from_name(a.type.empty() ? "f16" : a.type);
  const auto report = model::export_gguf(a.in, a.out, type, a.tokenizer, !a.no_verify, static_cast<int>(global().threads));
  finish(report, a, "gguf", format::ggml_type(type).name);
}

/// --type of a model directory; absent = as in the source.
std::optional<DType> hf_type(const Arguments& a) {
  if (a.type.empty()) return std::nullopt;
  if (a.type == "f16") return DType::kF16;
  if (a.type == "bf16") return DType::kBf16;
  if (a.type == "f32") return DType::kF32;
  throw usage(fmt::format("--type {} is for GGUF files", a.type), "a model directory holds f16, bf16 or f32");
}

void to_directory(const Arguments& a) {
  const std::optional<DType> type = hf_type(a);
  const auto report = !fs::is_directory(a.in)           ? model::import_gguf(a.in, a.out, type, a.tokenizer)
                      : model::is_torch_directory(a.in) ? model::import_torch(a.in, a.out, type)
                                                        : model::convert_hf(a.in, a.out, type, !a.no_verify);
  infer::load_model(a.out);  // what was written can be read
  finish(report, a, "hf", type ? dtype_name(*type) : "the type of the file");
}

void to_quantized(const Arguments& a) {
  if (!fs::is_directory(a.in) || !a.type.empty())
    throw usage(fmt::format("--to {} is for quantized model directories", a.to), "give one, without --type");
  const auto report = model::convert_quantized(a.in, a.out, model::quantized_format_from_name(a.to), !a.no_verify);
  finish(report, a, a.to, a.to);
}

void run(const Arguments& a) {
  if (a.to == "compressed-tensors" || a.to == "gptq") return to_quantized(a);
  const bool gguf = a.to == "gguf" || (a.to.empty() && fs::path(a.out).extension() == ".gguf");
  if (gguf) {
    if (!fs::is_directory(a.in))
      throw usage("a GGUF file is written from a model directory", "convert to a directory first, and that to GGUF");
    return to_gguf(a);
  }
  if (fs::is_directory(a.in) && a.to.empty() && a.type.empty() && !model::is_torch_directory(a.in))
    throw usage(fmt::format("{} is a model directory already", a.in), "say what to make of it: --to gguf, or --to hf --type f16");
  if (fs::is_directory(a.in) || format::is_gguf(a.in)) return to_directory(a);
  from_llama2c(a);
}

}  // namespace

Command make_convert() {
  static Arguments a;
  Command command;
  command.name = "convert";
  command.summary = "turn models into files of other tools, and those into model directories";
  command.options = {
      {"IN", "model directory (also with pytorch_model.bin), GGUF file, or llama2.c checkpoint (.bin)", &a.in, true},
      {"OUT", "what to write: a model directory, or a GGUF file; must not exist", &a.out, true},
      {"--to",
       "gguf or hf (a model directory), by default gguf where OUT ends so; or the format of a quantized model directory",
       &a.to,
       false,
       false,
       {"hf", "gguf", "compressed-tensors", "gptq"}},
      {"--type",
       "type of the weights written (default: f16 for GGUF, else as they are); tq1_0 and tq2_0 hold ternary weights exactly",
       &a.type,
       false,
       false,
       {"f16", "bf16", "f32", "q8_0", "q4_0", "q6_k", "tq1_0", "tq2_0"}},
      {"--tokenizer", "tokenizer of the model: a tokenizer.json, a directory with one, or llama2.c's tok*.bin", &a.tokenizer},
      {"--no-verify", "do not compare the model's files with the checksums in its spectra.json", &a.no_verify},
  };
  command.run = [] { run(a); };
  command.examples = {"spectra convert TriLM_3.9B trilm-3.9b.gguf --type tq2_0",
                      "spectra convert trilm-3.9b.gguf TriLM_3.9B_Unpacked",
                      "spectra convert TriLM_3.9B TriLM_3.9B_fp16 --to hf --type f16",
                      "spectra convert stories260K.bin stories260K --tokenizer tok512.bin"};
  return command;
}

}  // namespace spectra::cli
