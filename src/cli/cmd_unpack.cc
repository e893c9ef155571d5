// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/stopwatch.h"
#include "base/units.h"
#include "cli/command.h"
#include "model/pack.h"

namespace spectra::cli {
namespace {

struct UnpackOptions {
  std::string model, out;
  bool no_verify = false;
};

void run_unpack(const UnpackOptions& options) {
  const Stopwatch time;
  const model::UnpackReport report = model::unpack_model(options.model, options.out, !options.no_verify);
  log_info("unpacked into {} in {}", options.out, format_duration(time.seconds()));
  if (global().json) {
    print_json(nlohmann::ordered_json{{"schema", "spectra.unpack/1"},
                                      {"out", options.out},
                                      {"matrices", report.matrices},
                                      {"dtype", report.dtype},
                                      {"bytes_before", report.bytes_before},
                                      {"bytes_after", report.bytes_after},
                                      {"checksums_verified", report.checksums_verified}}
                   .dump());
    return;
  }
  fmt::print("{} matrices unpacked to {}: {} -> {}\n", report.matrices, report.dtype, format_bytes(report.bytes_before),
             format_bytes(report.bytes_after));
}

}  // namespace

Command make_unpack() {
  const auto a = std::make_shared<UnpackOptions>();
  return {.name = "unpack",
          .summary = "write a packed model's weights as plain fp16 again, bitwise those it was packed from",
          .options =
              {{.name = "MODEL", .help = "packed model directory", .target = &a->model, .required = true},
               {.name = "-o,--out", .help = "directory of the unpacked model; must not exist", .target = &a->out, .required = true},
               {.name = "--no-verify",
                .help = "do not compare the model's files with the checksums in its spectra.json",
                .target = &a->no_verify}},
          .run = [a] { run_unpack(*a); },
          .examples = {"spectra unpack TriLM_3.9B --out TriLM_3.9B_Unpacked"}};
}

}  // namespace spectra::cli
