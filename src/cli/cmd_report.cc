// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "analysis/report.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "cli/command.h"

namespace spectra::cli {
namespace {

struct Options {
  std::vector<std::string> directories, samples, quantized, comparisons;
  std::string out, title;
  int64_t watch = 0;
  bool skip_weights = false;
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

/// A word of a command line, quoted where a shell would split it.
std::string quoted(const std::string& word) {
  return word.find_first_of(" '\"$&|;<>()*?\\") == std::string::npos ? word : "'" + word + "'";
}

std::string command_line(const Options& options) {
  std::string line = "spectra report";
  for (const std::string& directory : options.directories) line += " " + quoted(directory);
  for (const std::string& file : options.samples) line += " --sample " + quoted(file);
  for (const std::string& file : options.quantized) line += " --quantized " + quoted(file);
  for (const std::string& file : options.comparisons) line += " --compare " + quoted(file);
  if (!options.title.empty()) line += " --title " + quoted(options.title);
  return line + " --out " + quoted(options.out);
}

/// `before`: what an earlier look at the same directories read.
analysis::ReportInput read_input(const Options& options, const analysis::ReportInput& before) {
  analysis::ReportInput input{options.title, command_line(options)};
  for (const std::string& path : options.directories) {
    if (!analysis::is_study(path)) {
      input.runs.push_back(analysis::read_run(path));
      continue;
    }
    if (input.study)
      throw Error(Exit::kUsage, fmt::format("{} and {} are both suites", input.study->directory.string(), path),
                  "a page shows one suite; make a page for each");
    input.study = analysis::read_study(path);
    std::vector<std::string> unread;
    input.study_runs = analysis::read_study_runs(*input.study, &unread);
    for (const std::string& name : unread) log_warning("the run of {} cannot be read: its training is not shown", name);
    if (options.skip_weights) continue;
    input.weights = analysis::read_study_weights(*input.study, before.weights);
    for (const std::string& name : input.weights.unread) log_warning("the weights of {} cannot be read: they are not shown", name);
  }
  for (const std::string& path : options.samples) input.samples.push_back(read_sample(path));
  for (const std::string& path : options.quantized) input.quantized.push_back(analysis::read_quantized(path));
  for (const std::string& path : options.comparisons) input.comparisons.push_back(analysis::read_comparison(path));
  if (input.title.empty())
    input.title = !input.study                 ? "Spectra report"
                  : input.study->title.empty() ? "Spectra suite " + input.study->name
                                               : input.study->title;
  return input;
}

void write_report(const Options& options, const analysis::ReportInput& input) {
  std::vector<analysis::TrainingRun> runs = input.runs;
  for (const auto& entry : input.study_runs) runs.push_back(entry.second);
  const fs::path html = options.out;
  if (html.has_parent_path()) fs::create_directories(html.parent_path());
  write_file(html, analysis::report_html(input));
  write_file(fs::path(html).replace_extension(".json"), analysis::report_json(runs));
  write_file(fs::path(html).replace_extension(".csv"), analysis::report_csv(runs));
  write_file(fs::path(html).replace_extension(".svg"), analysis::report_svg(runs));
}

/// What changes when a suite or run goes on: sizes and times of the files that the page is made of.
std::string state_of(const Options& options) {
  std::string state;
  const auto add = [&](const fs::path& path) {
    std::error_code gone;
    const auto size = fs::file_size(path, gone);
    if (!gone) state += fmt::format("{} {} {}\n", path.string(), size, fs::last_write_time(path, gone).time_since_epoch().count());
  };
  for (const std::string& directory : options.directories)
    for (const char* name : {"results.json", "log.jsonl", "layers.jsonl"}) add(fs::path(directory) / name);
  return state;
}

/// Rewrites the page whenever something changed, until the suite has finished or a signal came. The last page does not reload
/// itself.
void watch(const Options& options) {
  catch_interrupts();
  std::string shown;
  analysis::ReportInput input;
  for (auto next = std::chrono::steady_clock::now(); !interrupted();) {
    if (std::chrono::steady_clock::now() < next) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      continue;
    }
    next = std::chrono::steady_clock::now() + std::chrono::seconds(options.watch);
    const std::string state = state_of(options);
    if (state == shown) continue;
    input = read_input(options, input);
    if (input.study && input.study->finished) break;
    input.refresh_seconds = static_cast<int>(options.watch);
    write_report(options, input);
    if (shown.empty()) log_info("open {} in a browser; it is written anew when something changes", options.out);
    shown = state;
  }
  input.refresh_seconds = 0;
  if (!input.title.empty()) write_report(options, input);
  check_interrupted(fmt::format("{} is the last page", options.out));
}

void run_report(const Options& options) {
  if (options.watch < 0 || options.watch > 86400)
    throw Error(Exit::kUsage, fmt::format("--watch {} is out of range", options.watch),
                "seconds between looks, 1 to 86400; 0 = make the page once");
  if (options.watch > 0) {
    watch(options);
  } else {
    const analysis::ReportInput input = read_input(options, {});
    write_report(options, input);
    log_info("{} runs{}; open {} in a browser", input.runs.size() + input.study_runs.size(),
             input.study ? " of the suite" : " compared", options.out);
  }
  const fs::path html = options.out;
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
      "show a suite or compare training runs in one self-contained HTML file, with JSON, CSV and a picture beside it",
      {{"DIR", "a suite's directory, or run directories that `spectra train` made", &options.directories, true},
       {"-o,--out", "the HTML file; .json, .csv and .svg go beside it", &options.out, true},
       {"--title", "heading of the page; empty = the suite's", &options.title},
       {"--sample", "a file made by `spectra generate --json`, shown as text; may be repeated", &options.samples},
       {"--quantized", "a file made by `spectra quantize --json`, shown as a map of errors; may be repeated", &options.quantized},
       {"--compare", "a file made by `spectra compare --json`, shown as a table; may be repeated", &options.comparisons},
       {"--skip-weights", "leave out what needs to read the weights of a suite's models", &options.skip_weights},
       {"--watch", "look every so many seconds and write the page anew when something changed; 0 = once", &options.watch}},
      [] { run_report(options); },
      {"spectra report runs/float runs/ternary --out report.html", "spectra report suite --watch 10 --out suite.html"}};
}

}  // namespace spectra::cli
