// SPDX-License-Identifier: Apache-2.0
#include "cli/analyze.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/usage.h"

namespace spectra::cli {
namespace {

using analysis::Tables;

/// The only input. Throws Error (exit 2) that says that `what` is needed where there is none, or several.
const std::string& only_input(const AnalyzeOptions& options, const std::string& what) {
  require(options.inputs.size() == 1,
          fmt::format("spectra analyze {} needs {}; {} were given", options.analysis, what, options.inputs.size()),
          "`spectra analyze --help` has examples");
  return options.inputs[0];
}

/// Reads numbers with commas between them, such as "4,3.5". Throws Error (exit 2) naming the option.
std::vector<double> number_list(const std::string& text, const std::string& option) {
  std::vector<double> numbers;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    char* rest = nullptr;
    const double number = std::strtod(word.c_str(), &rest);
    require(!word.empty() && *rest == 0 && std::isfinite(number), fmt::format("{} {}: \"{}\" is not a number", option, text, word),
            "numbers with commas between them");
    numbers.push_back(number);
    begin = end + 1;
  }
  return numbers;
}

/// Reads the runs that were named, and those of suites. A suite's runs that have no log or checkpoint yet are left out.
std::vector<analysis::TrainingRun> read_runs(const AnalyzeOptions& options) {
  std::vector<analysis::TrainingRun> runs;
  for (const std::string& input : options.inputs) {
    if (!analysis::is_study(input)) {
      runs.push_back(analysis::read_run(input));
      continue;
    }
    for (const analysis::StudyModel& model : analysis::read_study(input).models) {
      if (model.run.empty()) continue;
      try {
        runs.push_back(analysis::read_run(model.run));
        runs.back().name = model.name;
      } catch (const Error& error) {
        log_warning("{} is left out: {}", model.name, error.what());
      }
    }
  }
  if (runs.empty())
    throw Error(Exit::kUsage, fmt::format("spectra analyze {} needs a run or a suite with runs", options.analysis),
                "give directories that `spectra train --out` made");
  return runs;
}

/// The accelerators of the CSV file that was given, or else the built-in ones.
std::vector<analysis::Accelerator> read_accelerators(const AnalyzeOptions& options) {
  if (options.inputs.empty()) return analysis::known_accelerators();
  const std::string& file = only_input(options, "no input or one CSV file of accelerators");
  return analysis::parse_accelerators(read_file(file), file);
}

Tables analyze_scaling(const AnalyzeOptions& options) {
  const std::string& input = only_input(options, "a suite or a CSV file");
  const std::vector<analysis::ModelPoint> points = analysis::read_points(input);
  require(
      options.bootstrap == 0 || (options.bootstrap >= analysis::kFewestResamples && options.bootstrap <= analysis::kMostResamples),
      fmt::format("--bootstrap {} is out of range", options.bootstrap),
      fmt::format("{} to {} resamples, or 0 for profiles", analysis::kFewestResamples, analysis::kMostResamples));
  return analysis::scaling_tables(points, {options.pure, static_cast<int>(options.bootstrap), number_list(options.gaps, "--gaps")},
                                  input);
}

Tables analyze_pareto(const AnalyzeOptions& options) {
  const std::string& input = only_input(options, "a suite or a CSV file");
  const bool scores = !options.score.empty();
  if (!analysis::is_study(input)) {
    if (scores) throw bad_input(fmt::format("--score {}: {} is not a suite", options.score, input), "a CSV file has losses only");
    return analysis::pareto_tables(analysis::read_points(input), input);
  }
  const analysis::BenchmarkScore score = analysis::parse_benchmark_score(options.score);
  return analysis::pareto_tables(analysis::read_study(input), scores ? &score : nullptr, input);
}

Tables analyze_relative(const AnalyzeOptions& options) {
  require(options.windows >= 1 && options.windows <= 10000, fmt::format("--windows {} is out of range", options.windows),
          "1 to 10000");
  const bool suite =
      std::any_of(options.inputs.begin(), options.inputs.end(), [](const auto& one) { return analysis::is_study(one); });
  require(!suite || options.inputs.size() == 1, "spectra analyze relative compares the runs of one suite, or runs by name",
          "give one suite alone, or a run and the runs to set beside it: spectra analyze relative RUN BASE...");
  const std::vector<analysis::TrainingRun> runs = read_runs(options);
  return analysis::relative_tables(
      suite ? analysis::pairs_of(analysis::read_study(options.inputs[0]), runs) : analysis::pairs_with_first(runs),
      static_cast<int>(options.windows));
}

Tables analyze_dynamics(const AnalyzeOptions& options) {
  require(options.window > 0 && options.window <= 50, fmt::format("--window {} is out of range", options.window),
          "per cent of the run, above 0, at most 50");
  return analysis::dynamics_tables(read_runs(options), options.window);
}

Tables analyze_weights(const AnalyzeOptions& options) {
  return analysis::weights_tables(only_input(options, "a model"), options.range);
}

Tables analyze_connections(const AnalyzeOptions& options) {
  require(!options.inputs.empty(), "spectra analyze connections needs a model, several checkpoints, or a run",
          "name its directory");
  if (options.inputs.size() == 1) return analysis::connections_tables(analysis::models_of(options.inputs[0]));
  return analysis::connections_tables({options.inputs.begin(), options.inputs.end()});
}

Tables analyze_hardware(const AnalyzeOptions& options) { return analysis::hardware_tables(read_accelerators(options)); }

Tables analyze_memory(const AnalyzeOptions& options) {
  const std::vector<double> bits = number_list(options.bits, "--bits");
  for (const double width : bits)
    require(width > 0 && width <= 64, fmt::format("--bits {} is out of range", width), "bits of a weight, above 0, at most 64");
  return analysis::memory_tables(read_accelerators(options), bits);
}

Tables analyze_bias(const AnalyzeOptions& options) {
  const std::string& input = only_input(options, "a suite's directory");
  return analysis::bias_tables(analysis::read_study(input), input);
}

Tables analyze_paper(const AnalyzeOptions& options) {
  if (!options.inputs.empty()) return analysis::printed_table(only_input(options, "the name of one table"));
  Tables tables = analysis::printed_tables();
  tables[0].note = "`spectra analyze paper TABLE` prints one";
  return tables;
}

struct Entry {
  const char* name;
  Tables (*run)(const AnalyzeOptions&);
};
constexpr Entry kAnalyses[] = {{"scaling", analyze_scaling},   {"pareto", analyze_pareto},   {"relative", analyze_relative},
                               {"dynamics", analyze_dynamics}, {"weights", analyze_weights}, {"connections", analyze_connections},
                               {"hardware", analyze_hardware}, {"memory", analyze_memory},   {"bias", analyze_bias},
                               {"paper", analyze_paper}};

}  // namespace

std::vector<std::string> analysis_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kAnalyses) names.emplace_back(entry.name);
  return names;
}

Tables analyze(const AnalyzeOptions& options) {
  const auto entry =
      std::find_if(std::begin(kAnalyses), std::end(kAnalyses), [&](const Entry& one) { return one.name == options.analysis; });
  SPECTRA_CHECK(entry != std::end(kAnalyses), "analysis {}", options.analysis);
  return entry->run(options);
}

}  // namespace spectra::cli
