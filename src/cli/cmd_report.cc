// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <nlohmann/json.hpp>

#include "analysis/report.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/command.h"

namespace spectra::cli {
namespace {

struct Options {
  std::vector<std::string> runs, samples, quantized;
  std::string out, title = "Spectra report";
};

/// A file that `spectra generate --json` wrote; the run is named by the file.
analysis::Sample read_sample(const fs::path& path) {
  try {
    const auto json = nlohmann::json::parse(read_file(path));
    return {path.stem().string(), json.at("prompt").get<std::string>(), json.at("text").get<std::string>()};
  } catch (const nlohmann::json::exception& error) {
    throw bad_input(fmt::format("{} is not the output of `spectra generate --json`: {}", path.string(), error.what()));
  }
}

void run_report(const Options& options) {
  std::vector<analysis::TrainingRun> runs;
  for (const std::string& path : options.runs) runs.push_back(analysis::read_run(path));
  std::vector<analysis::Sample> samples;
  for (const std::string& path : options.samples) samples.push_back(read_sample(path));
  std::vector<analysis::QuantizedModel> quantized;
  for (const std::string& path : options.quantized) quantized.push_back(analysis::read_quantized(path));
  const fs::path html = options.out;
  if (html.has_parent_path()) fs::create_directories(html.parent_path());
  write_file(html, analysis::report_html(runs, samples, options.title, quantized));
  write_file(fs::path(html).replace_extension(".json"), analysis::report_json(runs));
  write_file(fs::path(html).replace_extension(".csv"), analysis::report_csv(runs));
  write_file(fs::path(html).replace_extension(".svg"), analysis::report_svg(runs));
  log_info("{} runs compared; open {} in a browser", runs.size(), html.string());
  if (global().json)
    print_json(nlohmann::ordered_json{{"schema", "spectra.report_files/1"},
                                      {"html", html.string()},
                                      {"json", fs::path(html).replace_extension(".json").string()},
                                      {"csv", fs::path(html).replace_extension(".csv").string()},
                                      {"svg", fs::path(html).replace_extension(".svg").string()}}
                   .dump());
}

}  // namespace

Command make_report() {
  static Options options;
  return {
      "report",
      "compare training runs in one self-contained HTML file, with JSON, CSV and a picture beside it",
      {{"RUN", "run directories that `spectra train` made", &options.runs, true},
       {"-o,--out", "the HTML file; .json, .csv and .svg go beside it", &options.out, true},
       {"--title", "heading of the page", &options.title},
       {"--sample", "a file made by `spectra generate --json`, shown as text; may be repeated", &options.samples},
       {"--quantized", "a file made by `spectra quantize --json`, shown as a map of errors; may be repeated", &options.quantized}},
      [] { run_report(options); },
      {"spectra report runs/float runs/ternary --out report.html"}};
}

}  // namespace spectra::cli
