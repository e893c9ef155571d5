// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "analysis/report/report.h"
#include "base/error.h"
#include "base/log.h"
#include "base/shell.h"
#include "base/system.h"
#include "cli/command.h"

namespace spectra::cli {
namespace {

struct ReportOptions {
  std::vector<std::string> directories, samples, quantized, comparisons;
  std::string out, title;
  int64_t watch = 0;
  bool skip_weights = false;
};

/// Reads a file that `spectra generate --json` wrote. The run is named by the file.
analysis::Sample read_sample(const fs::path& path) {
  try {
    const auto json = nlohmann::json::parse(read_file(path));
    return {path.stem().string(), json.at("prompt").get<std::string>(), json.at("text").get<std::string>()};
  } catch (const nlohmann::json::exception& error) {
    throw bad_input(fmt::format("{} is not the output of `spectra generate --json`: {}", path.string(), error.what()));
  }
}

std::string command_line(const ReportOptions& options) {
  std::vector<std::string> words = {"spectra", "report"};
  words.insert(words.end(), options.directories.begin(), options.directories.end());
  for (const std::string& file : options.samples) words.insert(words.end(), {"--sample", file});
  for (const std::string& file : options.quantized) words.insert(words.end(), {"--quantized", file});
  for (const std::string& file : options.comparisons) words.insert(words.end(), {"--compare", file});
  if (!options.title.empty()) words.insert(words.end(), {"--title", options.title});
  if (options.skip_weights) words.emplace_back("--skip-weights");
  words.insert(words.end(), {"--out", options.out});
  return shell_words(words);
}

/// The paths of the page and of the files beside it: HTML, JSON, CSV, SVG.
std::vector<fs::path> outputs(const ReportOptions& options) {
  std::vector<fs::path> paths;
  for (const char* extension : {".html", ".json", ".csv", ".svg"})
    paths.push_back(fs::path(options.out).replace_extension(extension));
  return paths;
}

/// Throws Error where a file that is read would be written over: a suite's results.json lies where --out DIR/results.html would
/// put its own.
void check_out(const ReportOptions& options) {
  if (fs::path(options.out).extension() != ".html")
    throw Error(Exit::kUsage, fmt::format("--out {} does not end in .html", options.out), "its .json, .csv and .svg go beside it");
  std::vector<fs::path> inputs;
  for (const std::string& directory : options.directories)
    for (const char* name : {"results.json", "log.jsonl", "layers.jsonl"}) inputs.push_back(fs::path(directory) / name);
  for (const auto* files : {&options.samples, &options.quantized, &options.comparisons})
    inputs.insert(inputs.end(), files->begin(), files->end());
  for (const fs::path& input : inputs)
    for (const fs::path& output : outputs(options))
      if (fs::weakly_canonical(input) == fs::weakly_canonical(output))
        throw Error(Exit::kUsage, fmt::format("--out {} would write over {}", options.out, input.string()),
                    "give the page another name");
}

/// Reads the runs. Those that cannot be read are left out, as long as there are others to show.
void read_runs(const std::vector<std::string>& paths, analysis::ReportInput& input) {
  for (const std::string& path : paths) try {
      input.runs.push_back(analysis::read_run(path));
    } catch (const Error& error) {
      if (paths.size() == 1) throw;
      log_warning("{}: it is not shown", error.what());
    }
  if (!paths.empty() && input.runs.empty() && !input.study) throw bad_input("none of the runs can be read");
}

/// `before` is what an earlier look at the same directories read: weights that have not changed are not read again.
analysis::ReportInput read_input(const ReportOptions& options, const analysis::ReportInput& before) {
  analysis::ReportInput input{options.title, command_line(options)};
  std::vector<std::string> runs;
  for (const std::string& path : options.directories) {
    if (!fs::exists(path)) throw bad_input(fmt::format("there is no {}", path), "give a suite's directory, or those of runs");
    if (!analysis::is_study(path)) {
      runs.push_back(path);
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
  read_runs(runs, input);
  for (const std::string& path : options.samples) input.samples.push_back(read_sample(path));
  for (const std::string& path : options.quantized) input.quantized.push_back(analysis::read_quantized(path));
  for (const std::string& path : options.comparisons) input.comparisons.push_back(analysis::read_comparison(path));
  if (input.title.empty())
    input.title = !input.study                 ? "Spectra report"
                  : input.study->title.empty() ? "Spectra suite " + input.study->name
                                               : input.study->title;
  return input;
}

void write_report(const ReportOptions& options, const analysis::ReportInput& input) {
  std::vector<analysis::TrainingRun> runs = input.runs;
  for (const auto& entry : input.study_runs) runs.push_back(entry.second);
  const std::vector<fs::path> paths = outputs(options);
  if (paths[0].has_parent_path()) fs::create_directories(paths[0].parent_path());
  write_file(paths[0], analysis::report_html(input));
  write_file(paths[1], analysis::report_json(runs));
  write_file(paths[2], analysis::report_csv(runs));
  write_file(paths[3], analysis::report_svg(runs));
}

/// What changes when a suite or run goes on: sizes and times of the files that the page is made of.
std::string state_of(const ReportOptions& options) {
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
void watch(const ReportOptions& options) {
  catch_interrupts();
  std::optional<std::string> shown;
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
    if (!shown) log_info("open {} in a browser; it is written anew when something changes", options.out);
    shown = state;
  }
  input.refresh_seconds = 0;
  if (!input.title.empty()) write_report(options, input);
  check_interrupted(fmt::format("{} is the last page", options.out));
}

void run_report(const ReportOptions& options) {
  if (options.watch < 0 || options.watch > 86400)
    throw Error(Exit::kUsage, fmt::format("--watch {} is out of range", options.watch),
                "seconds between looks, 1 to 86400; 0 = make the page once");
  check_out(options);
  if (options.watch > 0) {
    watch(options);
  } else {
    const analysis::ReportInput input = read_input(options, {});
    write_report(options, input);
    const size_t count = input.runs.size() + input.study_runs.size();
    log_info("{} run{}{}; open {} in a browser", count, count == 1 ? "" : "s", input.study ? " of the suite" : "", options.out);
  }
  const std::vector<fs::path> paths = outputs(options);
  if (global().json)
    print_json(nlohmann::ordered_json{{"schema", "spectra.report_files/1"},
                                      {"html", paths[0].string()},
                                      {"json", paths[1].string()},
                                      {"csv", paths[2].string()},
                                      {"svg", paths[3].string()}}
                   .dump());
}

}  // namespace

Command make_report() {
  const auto a = std::make_shared<ReportOptions>();
  return {
      .name = "report",
      .summary = "show a suite or compare training runs in one self-contained HTML file, with JSON, CSV and a picture beside it",
      .options =
          {{.name = "DIR",
            .help = "a suite's directory, or run directories that `spectra train` made",
            .target = &a->directories,
            .required = true},
           {.name = "-o,--out", .help = "the HTML file; .json, .csv and .svg go beside it", .target = &a->out, .required = true},
           {.name = "--title", .help = "heading of the page; empty = the suite's", .target = &a->title},
           {.name = "--sample",
            .help = "a file made by `spectra generate --json`, shown as text; may be repeated",
            .target = &a->samples},
           {.name = "--quantized",
            .help = "a file made by `spectra quantize --json`, shown as a map of errors; may be repeated",
            .target = &a->quantized},
           {.name = "--compare",
            .help = "a file made by `spectra compare --json`, shown as a table; may be repeated",
            .target = &a->comparisons},
           {.name = "--skip-weights",
            .help = "leave out what needs to read the weights of a suite's models",
            .target = &a->skip_weights},
           {.name = "--watch",
            .help = "look every so many seconds and write the page anew when something changed; 0 = once",
            .target = &a->watch}},
      .run = [a] { run_report(*a); },
      .examples = {"spectra report runs/float runs/ternary --out report.html", "spectra report suite --watch 10 --out suite.html"}};
}

}  // namespace spectra::cli
