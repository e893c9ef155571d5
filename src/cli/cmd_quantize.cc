// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/usage.h"
#include "quantize/job.h"

namespace spectra::cli {
namespace {

constexpr int64_t kPaperGroup = 128;

struct QuantizeOptions {
  std::string model, out, calibration, method = "gptq", format = "compressed-tensors", precision = "auto";
  int64_t bits = 4, group_size = 0, samples = 512, sequence = 0, seed = 1;
  double damp = 0.01;
  bool act_order = false, mse = false, reference_scales = false, unpacked = false, no_verify = false;
};

quantize::Job job_of(const QuantizeOptions& a) {
  require_in_range(a.bits == 3 || a.bits == 4 || a.bits == 6 || a.bits == 8, fmt::format("--bits {}", a.bits), "3, 4, 6, 8");
  require_in_range(a.group_size >= -1, fmt::format("--group-size {}", a.group_size),
                   "-1 (a scale a row), or columns that share a scale");
  require_in_range(a.samples >= 1 && a.samples <= 1 << 20, fmt::format("--samples {}", a.samples), "1 to 1048576");
  require_in_range(a.sequence == 0 || a.sequence >= 2, fmt::format("--sequence {}", a.sequence), "2 up to the model's context");
  require_in_range(a.damp >= 0 && a.damp <= 1, fmt::format("--damp {}", a.damp), "0 to 1");
  require_in_range(a.seed >= 0, fmt::format("--seed {}", a.seed), "0 or more");
  quantize::Job job;
  job.model = a.model, job.out = a.out, job.calibration = a.calibration;
  job.options.method = quantize::method_from_name(a.method);
  job.options.bits = static_cast<int>(a.bits);
  job.group_given = a.group_size != 0;
  job.options.group_size = job.group_given ? std::max<int64_t>(a.group_size, 0) : a.bits <= 4 ? kPaperGroup : 0;
  job.options.act_order = a.act_order, job.options.damp = a.damp, job.options.mse = a.mse;
  job.options.reference_scales = a.reference_scales;
  job.samples = a.samples, job.sequence = a.sequence, job.seed = static_cast<uint64_t>(a.seed);
  job.precision = a.precision;
  job.format = a.unpacked ? model::QuantizedFormat::kUnpacked : model::quantized_format_from_name(a.format);
  job.verify_checksums = !a.no_verify;
  return job;
}

nlohmann::ordered_json optional(double value, bool known) {
  return known ? nlohmann::ordered_json(value) : nlohmann::ordered_json();
}

nlohmann::ordered_json linears_json(const quantize::Report& report) {
  nlohmann::ordered_json linears = nlohmann::ordered_json::array();
  for (const quantize::LinearReport& l : report.linears)
    linears.push_back({{"name", l.name},
                       {"rows", l.rows},
                       {"cols", l.cols},
                       {"output_error", optional(l.output_error, l.output_error >= 0)},
                       {"weight_error", l.weight_error},
                       {"clipped", l.clipped},
                       {"damp", l.damp},
                       {"seconds", l.seconds}});
  return linears;
}

std::string as_json(const quantize::Report& report, const quantize::Job& job) {
  nlohmann::ordered_json parts = nlohmann::ordered_json::array();
  for (const quantize::Part& part : report.parts)
    parts.push_back({{"name", part.name}, {"seconds", part.seconds}, {"flop", part.flop}});
  const quantize::Options& o = report.options;
  return nlohmann::ordered_json{
      {"schema", "spectra.quantize/1"},
      {"out", job.out.string()},
      {"format", model::quantized_format_name(job.format)},
      {"method", quantize::method_name(o.method)},
      {"bits", o.bits},
      {"group_size", o.group_size == 0 ? -1 : o.group_size},
      {"act_order", o.act_order},
      {"damp", o.damp},
      {"mse", o.mse},
      {"reference_scales", o.reference_scales},
      {"samples", report.samples},
      {"sequence", report.sequence},
      {"seed", job.seed},
      {"calibration_tokens", report.calibration_tokens},
      {"backend", report.backend},
      {"float_perplexity", optional(report.float_perplexity.value_or(0), report.float_perplexity.has_value())},
      {"quantized_perplexity", optional(report.quantized_perplexity.value_or(0), report.quantized_perplexity.has_value())},
      {"blocks", report.blocks},
      {"resumed_blocks", report.resumed_blocks},
      {"spilled", report.spilled},
      {"seconds", report.seconds},
      {"peak_rss_bytes", memory_peak()},
      {"peak_flops", optional(report.peak, report.peak > 0)},
      {"parts", parts},
      {"linears", linears_json(report)}}
      .dump();
}

void print_table(const quantize::Report& report) {
  fmt::print("{:<32} {:>13} {:>12} {:>12} {:>8} {:>9}\n", "", "shape", "output error", "weight error", "clipped", "time");
  for (const quantize::LinearReport& l : report.linears)
    fmt::print("{:<32} {:>13} {:>12} {:>11.2f}% {:>7.2f}% {:>7.2f} s\n", l.name.substr(l.name.find('.') + 1),
               fmt::format("{} x {}", l.rows, l.cols), l.output_error < 0 ? "-" : fmt::format("{:.2f}%", 100 * l.output_error),
               100 * l.weight_error, 100 * l.clipped, l.seconds);
  if (report.float_perplexity)
    fmt::print("perplexity on the calibration text: {:.4f}, float model {:.4f}\n", *report.quantized_perplexity,
               *report.float_perplexity);
}

void run_quantize(const QuantizeOptions& a) {
  const quantize::Job job = job_of(a);
  const quantize::Report report = quantize::quantize_model(job);
  log_info("quantized into {} in {}", a.out, format_duration(report.seconds));
  if (global().json)
    print_json(as_json(report, job));
  else
    print_table(report);
}

/// Options for how scales are chosen and columns ordered, and for what is checked.
std::vector<Option> rounding_options(QuantizeOptions& a) {
  return {
      {.name = "--act-order", .help = "quantize columns of large inputs first", .target = &a.act_order},
      {.name = "--damp", .help = "share of the Hessian's mean diagonal that is added to it", .target = &a.damp},
      {.name = "--mse", .help = "search the scale with the least error instead of taking the largest weight's", .target = &a.mse},
      {.name = "--reference-scales",
       .help = "group scales without the current block's errors, as the authors' code has them",
       .target = &a.reference_scales,
       .advanced = true},
      {.name = "--precision",
       .help = "of the forward pass; auto = bf16 where the CPU has it",
       .target = &a.precision,
       .choices = {"auto", "fp32", "bf16"},
       .advanced = true},
      {.name = "--no-verify",
       .help = "do not compare the model's files with the checksums in its spectra.json",
       .target = &a.no_verify,
       .advanced = true}};
}

}  // namespace

Command make_quantize() {
  const auto a = std::make_shared<QuantizeOptions>();
  Command command;
  command.name = "quantize";
  command.summary = "round a float model's linear layers to 3, 4, 6 or 8 bits, fitted to a text (GPTQ)";
  command.options = {
      {.name = "MODEL", .help = "model directory with float weights", .target = &a->model, .required = true},
      {.name = "--bits", .help = "bits a weight: 3, 4, 6 or 8", .target = &a->bits},
      {.name = "-o,--out", .help = "directory of the quantized model; must not exist", .target = &a->out, .required = true},
      {.name = "--calibration",
       .help = "text like the model's training data, or token data, that weights are fitted to",
       .target = &a->calibration},
      {.name = "--method",
       .help = "gptq, or gptaq towards the float model's own outputs, or rtn: plain rounding, needs no calibration",
       .target = &a->method,
       .choices = {"gptq", "gptaq", "rtn"}},
      {.name = "--group-size",
       .help = "columns that share a scale, -1 = all of a row; 0 = 128 at 3 and 4 bits, -1 at 6 and 8",
       .target = &a->group_size},
      {.name = "--samples", .help = "calibration sequences", .target = &a->samples},
      {.name = "--sequence", .help = "tokens of a calibration sequence; 0 = 2048 or the model's context", .target = &a->sequence},
      {.name = "--seed", .help = "which places of the calibration text are taken", .target = &a->seed},
      {.name = "--format",
       .help = "how the output is stored",
       .target = &a->format,
       .choices = {"compressed-tensors", "gptq", "unpacked"}},
      {.name = "--unpacked", .help = "same as --format unpacked: plain fp16 weights", .target = &a->unpacked},
  };
  command.add(rounding_options(*a));
  command.run = [a] { run_quantize(*a); };
  command.examples = {"spectra quantize FloatLM_99M --bits 4 --calibration slimpajama.jsonl.zst --out QuantLM_99M_4bit",
                      "spectra quantize model --bits 3 --method gptaq --calibration data --samples 128 --out model-3bit"};
  return command;
}

}  // namespace spectra::cli
