// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/analyze.h"
#include "cli/command.h"

namespace spectra::cli {
namespace {

using analysis::Cell;
using analysis::Table;

struct Entry {
  const char* name;
  Tables (*run)(const AnalyzeOptions&);
};
constexpr Entry kAnalyses[] = {{"scaling", analyze_scaling},   {"pareto", analyze_pareto},   {"relative", analyze_relative},
                               {"dynamics", analyze_dynamics}, {"weights", analyze_weights}, {"connections", analyze_connections},
                               {"hardware", analyze_hardware}, {"memory", analyze_memory},   {"bias", analyze_bias},
                               {"paper", analyze_paper}};

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const Entry& entry : kAnalyses) out.push_back(entry.name);
  return out;
}

nlohmann::ordered_json to_json(const Table& table) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const auto& row : table.rows) {
    nlohmann::ordered_json object;
    for (size_t i = 0; i < row.size(); ++i) {
      nlohmann::ordered_json value = row[i].text;
      if (row[i].numeric) value = std::isfinite(row[i].value) ? nlohmann::ordered_json(row[i].value) : nlohmann::ordered_json();
      object[table.columns[i]] = std::move(value);
    }
    rows.push_back(std::move(object));
  }
  return rows;
}

/// Columns of a terminal that UTF-8 text takes: letters here have one each.
size_t columns_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void print_table(const NamedTable& named) {
  constexpr size_t kMostRows = 80, kEnds = 20;
  const Table& table = named.table;
  fmt::print("{}{}\n", named.name, named.note.empty() ? "" : ": " + named.note);
  std::vector<size_t> widths;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    widths.push_back(columns_of(table.columns[i]));
    for (const auto& row : table.rows) widths[i] = std::max(widths[i], columns_of(row[i].text));
  }
  const auto print_cell = [&](size_t i, const std::string& text, bool right) {
    const std::string blanks(widths[i] - columns_of(text), ' ');
    const bool last = i + 1 == widths.size();
    fmt::print("  {}{}{}", right ? blanks : "", text, right || last ? "" : blanks);
  };
  for (size_t i = 0; i < table.columns.size(); ++i)
    print_cell(i, table.columns[i], !table.rows.empty() && table.rows[0][i].numeric);
  fmt::print("\n");
  for (size_t r = 0; r < table.rows.size(); ++r) {
    if (table.rows.size() > kMostRows && r == kEnds) {
      r = table.rows.size() - kEnds;
      fmt::print("  ... {} more: --csv and --json give all {} rows\n", r - kEnds, table.rows.size());
    }
    for (size_t i = 0; i < table.rows[r].size(); ++i) print_cell(i, table.rows[r][i].text, table.rows[r][i].numeric);
    fmt::print("\n");
  }
  if (table.rows.empty()) fmt::print("  none\n");
  fmt::print("\n");
}

/// Before anything is computed.
void check_csv(const fs::path& file) {
  if (fs::is_directory(file))
    throw bad_input(fmt::format("--csv {} is a directory", file.string()),
                    "name a file in it, as " + (file / "tables.csv").string());
  if (file.has_parent_path() && !fs::is_directory(file.parent_path()))
    throw bad_input(fmt::format("--csv {}: there is no directory {}", file.string(), file.parent_path().string()), "make it first");
}

/// The first table into the file itself, the others beside it: losses.csv, losses-gaps.csv.
void write_csv(const Tables& tables, const fs::path& file) {
  for (size_t i = 0; i < tables.size(); ++i) {
    const std::string name =
        i == 0 ? file.filename().string() : fmt::format("{}-{}{}", file.stem().string(), tables[i].name, file.extension().string());
    write_file(file.parent_path() / name, to_csv(tables[i].table));
    log_info("wrote {}", (file.parent_path() / name).string());
  }
}

void run_analyze(const AnalyzeOptions& options) {
  const auto entry =
      std::find_if(std::begin(kAnalyses), std::end(kAnalyses), [&](const Entry& one) { return one.name == options.analysis; });
  SPECTRA_CHECK(entry != std::end(kAnalyses));  // the parser lets only these through
  if (!options.csv.empty()) check_csv(options.csv);
  const Tables tables = entry->run(options);
  if (!options.csv.empty()) write_csv(tables, options.csv);
  if (!global().json) {
    for (const NamedTable& table : tables) print_table(table);
    return;
  }
  nlohmann::ordered_json json = {{"schema", "spectra.analyze/1"}, {"analysis", options.analysis}};
  for (const NamedTable& table : tables) json["tables"][table.name] = to_json(table.table);
  print_json(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

const std::string& only_input(const AnalyzeOptions& options, const std::string& what) {
  if (options.inputs.size() != 1)
    throw Error(Exit::kUsage,
                fmt::format("spectra analyze {} needs {}; {} were given", options.analysis, what, options.inputs.size()),
                "`spectra analyze --help` has examples");
  return options.inputs[0];
}

std::vector<double> number_list(const std::string& text, const std::string& option) {
  std::vector<double> numbers;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    char* rest = nullptr;
    const double number = std::strtod(word.c_str(), &rest);
    if (word.empty() || *rest != 0 || !std::isfinite(number))
      throw Error(Exit::kUsage, fmt::format("{} {}: \"{}\" is not a number", option, text, word),
                  "numbers with commas between them");
    numbers.push_back(number);
    begin = end + 1;
  }
  return numbers;
}

Command make_analyze() {
  const auto a = std::make_shared<AnalyzeOptions>();
  return {.name = "analyze",
          .summary = "scaling laws, Pareto fronts, training dynamics, weights, memory limits, and the paper's numbers, as tables",
          .options =
              {{.name = "ANALYSIS", .help = "what to compute", .target = &a->analysis, .choices = names(), .required = true},
               {.name = "INPUT", .help = "a suite, CSV file, run or model, as the analysis needs", .target = &a->inputs},
               {.name = "--csv", .help = "also write the tables to this file, and others beside it", .target = &a->csv},
               {.name = "--pure", .help = "scaling: the power law without an offset", .target = &a->pure},
               {.name = "--bootstrap",
                .help = "scaling: intervals from so many resamples (200 at least) instead of profiles; 0 = profiles",
                .target = &a->bootstrap},
               {.name = "--gaps", .help = "scaling: per cent at which to give the size", .target = &a->gaps},
               {.name = "--score", .help = "pareto: a TASK or TASK:METRIC of the suite instead of the loss", .target = &a->score},
               {.name = "--windows", .help = "relative: points over the run", .target = &a->windows},
               {.name = "--window", .help = "dynamics: per cent of the run on each side of an intervention", .target = &a->window},
               {.name = "--range", .help = "weights: histograms from -X to X", .target = &a->range},
               {.name = "--bits", .help = "memory: bits of a linear weight", .target = &a->bits}},
          .run = [a] { run_analyze(*a); },
          .examples = {"spectra analyze scaling examples/losses.csv", "spectra analyze pareto suite --csv pareto.csv",
                       "spectra analyze weights models/FloatLM_99M", "spectra analyze connections runs/ternary",
                       "spectra analyze dynamics runs/float runs/ternary", "spectra analyze paper scores --json"}};
}

}  // namespace spectra::cli
