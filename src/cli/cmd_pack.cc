// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/stopwatch.h"
#include "base/units.h"
#include "cli/command.h"
#include "model/check_gguf.h"
#include "model/pack.h"

namespace spectra::cli {
namespace {

struct PackOptions {
  std::string model, format, out, check;
  bool no_verify = false;
};

double ratio(uint64_t before, uint64_t after) {
  return after == 0 ? 0.0 : static_cast<double>(before) / static_cast<double>(after);
}

/// All groups added up; `rows` is their number of weights then.
model::PackedGroup linears(const model::PackReport& report) {
  model::PackedGroup all{"linear layers", 0, 0, 0, 0, "", 0, 0, 0};
  for (const model::PackedGroup& group : report.groups) {
    all.matrices += group.matrices;
    all.zeros += group.zeros;
    all.rows += group.matrices * group.rows * group.cols;
    all.bytes_before += group.bytes_before;
    all.bytes_after += group.bytes_after;
  }
  return all;
}

void print_table(const model::PackReport& report) {
  fmt::print("{:<14} {:>8} {:>13} {:>7} {:<8} {:>7} {:>10} {:>10} {:>7}\n", "", "matrices", "shape", "shards", "of", "zeros",
             "before", "after", "ratio");
  for (const model::PackedGroup& group : report.groups)
    fmt::print("{:<14} {:>8} {:>13} {:>7} {:<8} {:>6.1f}% {:>10} {:>10} {:>6.2f}x\n", group.projection, group.matrices,
               fmt::format("{} x {}", group.rows, group.cols), group.shards, group.axis,
               100.0 * static_cast<double>(group.zeros) / static_cast<double>(group.matrices * group.rows * group.cols),
               format_bytes(group.bytes_before), format_bytes(group.bytes_after), ratio(group.bytes_before, group.bytes_after));
  const model::PackedGroup all = linears(report);
  fmt::print("{:<14} {:>8} {:>13} {:>7} {:<8} {:>6.1f}% {:>10} {:>10} {:>6.2f}x\n", all.projection, all.matrices,
             format_count(static_cast<uint64_t>(all.rows)), "", "",
             100.0 * static_cast<double>(all.zeros) / static_cast<double>(all.rows), format_bytes(all.bytes_before),
             format_bytes(all.bytes_after), ratio(all.bytes_before, all.bytes_after));
  fmt::print("{:<14} {:>8} {:>13} {:>7} {:<8} {:>7} {:>10} {:>10} {:>6.2f}x\n", "whole model", "", "", "", "", "",
             format_bytes(report.bytes_before), format_bytes(report.bytes_after), ratio(report.bytes_before, report.bytes_after));
}

std::string as_json(const model::PackReport& report, const PackOptions& options) {
  nlohmann::ordered_json projections;
  for (const model::PackedGroup& group : report.groups)
    projections[group.projection] = {{"matrices", group.matrices},
                                     {"rows", group.rows},
                                     {"cols", group.cols},
                                     {"shards", group.shards},
                                     {"shard_axis", group.axis},
                                     {"zeros", group.zeros},
                                     {"bytes_before", group.bytes_before},
                                     {"bytes_after", group.bytes_after}};
  const model::PackedGroup all = linears(report);
  const nlohmann::ordered_json document = {{"schema", "spectra.pack/1"},
                                           {"out", options.out},
                                           {"format", lowbit::format_name(lowbit::format_from_name(options.format))},
                                           {"matrices", all.matrices},
                                           {"weights", all.rows},
                                           {"zero_fraction", static_cast<double>(all.zeros) / static_cast<double>(all.rows)},
                                           {"negative_zeros", report.negative_zeros},
                                           {"other_shards", report.other_shards},
                                           {"linear_bytes_before", all.bytes_before},
                                           {"linear_bytes_after", all.bytes_after},
                                           {"linear_ratio", ratio(all.bytes_before, all.bytes_after)},
                                           {"bytes_before", report.bytes_before},
                                           {"bytes_after", report.bytes_after},
                                           {"ratio", ratio(report.bytes_before, report.bytes_after)},
                                           {"checksums_verified", report.checksums_verified},
                                           {"projections", projections}};
  return document.dump();
}

std::string check_as_json(const model::GgufCheck& check, const PackOptions& options) {
  nlohmann::ordered_json differing = nlohmann::ordered_json::array();
  for (const auto& tensor : check.tensors)
    if (!tensor.exact())
      differing.push_back({{"tensor", tensor.name},
                           {"type", tensor.type},
                           {"weights", tensor.difference.weights},
                           {"relative_error", tensor.difference.relative()},
                           {"problem", tensor.problem}});
  return nlohmann::ordered_json{{"schema", "spectra.pack_check/1"}, {"model", options.model},          {"file", options.check},
                                {"exact", check.exact()},           {"tensors", check.tensors.size()}, {"differing", differing},
                                {"settings", check.settings}}
      .dump();
}

/// Compares a GGUF file with the model. The exit code becomes 4 where the file holds anything else.
void run_check(const PackOptions& options) {
  const model::GgufCheck check = model::check_gguf(options.check, options.model);
  if (!check.exact()) global().exit_code = static_cast<int>(Exit::kThreshold);
  if (global().json) return print_json(check_as_json(check, options));
  int64_t exact = 0;
  for (const auto& tensor : check.tensors) {
    exact += tensor.exact() ? 1 : 0;
    if (!tensor.problem.empty())
      fmt::print("{} {}: {}\n", tensor.name, tensor.type, tensor.problem);
    else if (!tensor.exact())
      fmt::print("{} {}: {} weights differ, the furthest by {:.2g} of the largest weight\n", tensor.name, tensor.type,
                 tensor.difference.weights, tensor.difference.relative());
  }
  for (const std::string& setting : check.settings) fmt::print("{}\n", setting);
  fmt::print("{} of {} tensors hold the model's weights exactly\n", exact, check.tensors.size());
}

void run_pack(const PackOptions& options) {
  if (!options.check.empty()) return run_check(options);
  if (options.format.empty() || options.out.empty())
    throw Error(Exit::kUsage, fmt::format("spectra pack needs {}", options.format.empty() ? "--format" : "--out"),
                "`spectra pack --help` explains it");
  const lowbit::Format format = lowbit::format_from_name(options.format);
  const Stopwatch time;
  const model::PackReport report =
      model::pack_model(options.model, options.out, format, !options.no_verify, static_cast<int>(global().threads));
  log_info("every matrix was unpacked again and is bitwise the one in {}", options.model);
  if (report.negative_zeros > 0)
    log_info("{} weights were -0.0: kept as 0, which is equal in value and in every product", report.negative_zeros);
  log_info("packed as {} into {} in {}", lowbit::format_name(format), options.out, format_duration(time.seconds()));
  if (global().json)
    print_json(as_json(report, options));
  else
    print_table(report);
}

}  // namespace

Command make_pack() {
  const auto a = std::make_shared<PackOptions>();
  return {.name = "pack",
          .summary = "pack a ternary or binary model without changing one weight",
          .options = {{.name = "MODEL", .help = "model directory with unpacked weights", .target = &a->model, .required = true},
                      {.name = "--format",
                       .help = "bits a weight: 2bit and 1.6bit for ternary models, 1bit for binary ones",
                       .target = &a->format,
                       .choices = {"2bit", "1.6bit", "1bit"}},
                      {.name = "-o,--out", .help = "directory of the packed model; must not exist", .target = &a->out},
                      {.name = "--check",
                       .help = "instead of packing, compare this GGUF file with the model: which tensors hold its weights exactly",
                       .target = &a->check},
                      {.name = "--no-verify",
                       .help = "do not compare the model's files with the checksums in its spectra.json",
                       .target = &a->no_verify}},
          .run = [a] { run_pack(*a); },
          .examples = {"spectra pack TriLM_3.9B_Unpacked --format 1.6bit --out TriLM_3.9B",
                       "spectra pack TriLM_3.9B --check trilm-3.9b.gguf"}};
}

}  // namespace spectra::cli
