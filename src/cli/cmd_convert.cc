// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <memory>
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

struct ConvertOptions {
  std::string in, out, to, type, tokenizer;
  bool no_verify = false;
};

/// The part of a name that is the same in every layer: "ffn_down" of "blk.3.ffn_down.weight".
std::string kind_of(const std::string& tensor) {
  const std::string stem = tensor.substr(0, tensor.rfind(".weight"));
  return stem.substr(stem.rfind('.') + 1);
}

/// Tells people what is stored otherwise than they asked for, and what was rounded.
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

std::string as_json(const model::ConvertReport& report, const ConvertOptions& a, const std::string& format) {
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

void finish(const model::ConvertReport& report, const ConvertOptions& a, const std::string& format, const std::string& type) {
  warn(report, type);
  std::string types;
  for (const auto& [name, count] : report.types) types += fmt::format("{}{} {}", types.empty() ? "" : ", ", count, name);
  log_info("{}: {} parameters in {} ({})", a.out, format_count(static_cast<uint64_t>(report.parameters)),
           format_bytes(report.bytes), types);
  if (global().json) print_json(as_json(report, a, format));
}

void from_llama2c(const ConvertOptions& a) {
  if (fs::path(a.in).filename().string().rfind("pytorch_model", 0) == 0)
    throw Error(Exit::kUsage, fmt::format("{} is a part of a model", a.in), "give its directory, which holds config.json too");
  if (a.tokenizer.empty())
    throw Error(Exit::kUsage, fmt::format("{} has no tokenizer", a.in),
                "add --tokenizer FILE, for example the tok512.bin beside it");
  model::convert_llama2c(a.in, a.tokenizer, a.out);
  const auto model = infer::load_model(a.out);  // what was written can be read
  model::ConvertReport report;
  report.parameters = model::count_parameters(model->config).total();
  report.bytes = 4 * static_cast<uint64_t>(report.parameters);
  report.types["F32"] = static_cast<int64_t>(model::parameters(model->config).size());
  finish(report, a, "hf", "F32");
}

void to_gguf(const ConvertOptions& a) {
  const format::GgmlType type = format::ggml_type_from_name(a.type.empty() ? "f16" : a.type);
  const auto report = model::export_gguf(a.in, a.out, type, a.tokenizer, !a.no_verify, static_cast<int>(global().threads));
  finish(report, a, "gguf", format::ggml_type(type).name);
}

/// What --type means for a model directory. Without it tensors keep the types of the source.
std::optional<DType> hf_type(const ConvertOptions& a) {
  if (a.type.empty()) return std::nullopt;
  if (a.type == "f16") return DType::kF16;
  if (a.type == "bf16") return DType::kBf16;
  if (a.type == "f32") return DType::kF32;
  throw Error(Exit::kUsage, fmt::format("--type {} is for GGUF files", a.type), "a model directory holds f16, bf16 or f32");
}

void to_directory(const ConvertOptions& a) {
  const std::optional<DType> type = hf_type(a);
  const auto report = !fs::is_directory(a.in)           ? model::import_gguf(a.in, a.out, type, a.tokenizer)
                      : model::is_torch_directory(a.in) ? model::import_torch(a.in, a.out, type)
                                                        : model::convert_hf(a.in, a.out, type, !a.no_verify);
  infer::load_model(a.out);  // what was written can be read
  finish(report, a, "hf", type ? dtype_name(*type) : "the type of the file");
}

void to_quantized(const ConvertOptions& a) {
  if (!fs::is_directory(a.in) || !a.type.empty())
    throw Error(Exit::kUsage, fmt::format("--to {} is for quantized model directories", a.to), "give one, without --type");
  const auto report = model::convert_quantized(a.in, a.out, model::quantized_format_from_name(a.to), !a.no_verify);
  finish(report, a, a.to, a.to);
}

void run_convert(const ConvertOptions& a) {
  if (a.to == "compressed-tensors" || a.to == "gptq") return to_quantized(a);
  const bool gguf = a.to == "gguf" || (a.to.empty() && fs::path(a.out).extension() == ".gguf");
  if (gguf) {
    if (!fs::is_directory(a.in))
      throw Error(Exit::kUsage, "a GGUF file is written from a model directory", "convert to a directory first, and that to GGUF");
    return to_gguf(a);
  }
  if (fs::is_directory(a.in) && a.to.empty() && a.type.empty() && !model::is_torch_directory(a.in))
    throw Error(Exit::kUsage, fmt::format("{} is a model directory already", a.in),
                "say what to make of it: --to gguf, or --to hf --type f16");
  if (fs::is_directory(a.in) || format::is_gguf(a.in)) return to_directory(a);
  from_llama2c(a);
}

}  // namespace

Command make_convert() {
  const auto a = std::make_shared<ConvertOptions>();
  Command command;
  command.name = "convert";
  command.summary = "turn models into files of other tools, and those into model directories";
  command.options = {
      {.name = "IN",
       .help = "model directory (also with pytorch_model.bin), GGUF file, or llama2.c checkpoint (.bin)",
       .target = &a->in,
       .required = true},
      {.name = "OUT",
       .help = "what to write: a model directory, or a GGUF file; must not exist",
       .target = &a->out,
       .required = true},
      {.name = "--to",
       .help = "gguf or hf (a model directory), by default gguf where OUT ends so; or the format of a quantized model directory",
       .target = &a->to,
       .choices = {"hf", "gguf", "compressed-tensors", "gptq"}},
      {.name = "--type",
       .help =
           "type of the weights written (default: f16 for GGUF, else as they are); tq1_0 and tq2_0 hold ternary weights exactly",
       .target = &a->type,
       .choices = {"f16", "bf16", "f32", "q8_0", "q4_0", "q6_k", "tq1_0", "tq2_0"}},
      {.name = "--tokenizer",
       .help = "tokenizer of the model: a tokenizer.json, a directory with one, or llama2.c's tok*.bin",
       .target = &a->tokenizer},
      {.name = "--no-verify",
       .help = "do not compare the model's files with the checksums in its spectra.json",
       .target = &a->no_verify},
  };
  command.run = [a] { run_convert(*a); };
  command.examples = {"spectra convert TriLM_3.9B trilm-3.9b.gguf --type tq2_0",
                      "spectra convert trilm-3.9b.gguf TriLM_3.9B_Unpacked",
                      "spectra convert TriLM_3.9B TriLM_3.9B_fp16 --to hf --type f16",
                      "spectra convert stories260K.bin stories260K --tokenizer tok512.bin"};
  return command;
}

}  // namespace spectra::cli
