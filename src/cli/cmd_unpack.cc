// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/stopwatch.h"
#include "base/units.h"
#include "cli/command.h"
#include "model/pack.h"

namespace spectra::cli {
namespace {

struct Options {
  std::string model, out;
  bool no_verify = false;
};

void run_unpack(const Options& options) {
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
  static Options options;
  return {"unpack",
          "write a packed model's weights as plain fp16 again, bitwise those it was packed from",
          {{"MODEL", "packed model directory", &options.model, true},
           {"-o,--out", "directory of the unpacked model; must not exist", &options.out, true},
           {"--no-verify", "do not compare the model's files with the checksums in its spectra.json", &options.no_verify}},
          [] { run_unpack(options); },
          {"spectra unpack TriLM_3.9B --out TriLM_3.9B_Unpacked"}};
}

}  // namespace spectra::cli
