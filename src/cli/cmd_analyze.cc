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

using analysis::NamedTable;
using analysis::Table;
using analysis::Tables;

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

/// How many columns of a terminal a text takes. Every letter in these tables takes one, however many bytes of UTF-8 it has.
size_t columns_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// How many columns of a terminal each column of the table takes.
std::vector<size_t> widths_of(const Table& table) {
  std::vector<size_t> widths;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    widths.push_back(columns_of(table.columns[i]));
    for (const auto& row : table.rows) widths[i] = std::max(widths[i], columns_of(row[i].text));
  }
  return widths;
}

/// Numbers are aligned on the right, texts on the left.
void print_cell(const std::string& text, size_t width, bool number, bool last) {
  const std::string blanks(width - columns_of(text), ' ');
  fmt::print("  {}{}{}", number ? blanks : "", text, number || last ? "" : blanks);
}

void print_table(const NamedTable& named) {
  constexpr size_t kMostRows = 80, kEnds = 20;
  const Table& table = named.table;
  fmt::print("{}{}\n", named.name, named.note.empty() ? "" : ": " + named.note);
  const std::vector<size_t> widths = widths_of(table);
  const size_t last = widths.size() - 1;
  for (size_t i = 0; i < widths.size(); ++i)
    print_cell(table.columns[i], widths[i], !table.rows.empty() && table.rows[0][i].numeric, i == last);
  fmt::print("\n");
  for (size_t r = 0; r < table.rows.size(); ++r) {
    if (table.rows.size() > kMostRows && r == kEnds) {
      r = table.rows.size() - kEnds;
      fmt::print("  ... {} more: --csv and --json give all {} rows\n", r - kEnds, table.rows.size());
    }
    for (size_t i = 0; i < widths.size(); ++i) print_cell(table.rows[r][i].text, widths[i], table.rows[r][i].numeric, i == last);
    fmt::print("\n");
  }
  if (table.rows.empty()) fmt::print("  none\n");
  fmt::print("\n");
}

/// Throws Error where --csv cannot be written: called before anything is computed.
void check_csv(const fs::path& file) {
  if (fs::is_directory(file))
    throw bad_input(fmt::format("--csv {} is a directory", file.string()),
                    "name a file in it, as " + (file / "tables.csv").string());
  if (file.has_parent_path() && !fs::is_directory(file.parent_path()))
    throw bad_input(fmt::format("--csv {}: there is no directory {}", file.string(), file.parent_path().string()), "make it first");
}

/// The first table goes into the file itself, the others beside it: losses.csv, losses-gaps.csv.
void write_csv(const Tables& tables, const fs::path& file) {
  for (size_t i = 0; i < tables.size(); ++i) {
    const std::string name =
        i == 0 ? file.filename().string() : fmt::format("{}-{}{}", file.stem().string(), tables[i].name, file.extension().string());
    write_file(file.parent_path() / name, to_csv(tables[i].table));
    log_info("wrote {}", (file.parent_path() / name).string());
  }
}

void run_analyze(const AnalyzeOptions& options) {
  if (!options.csv.empty()) check_csv(options.csv);
  const Tables tables = analyze(options);
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

Command make_analyze() {
  const auto a = std::make_shared<AnalyzeOptions>();
  return {
      .name = "analyze",
      .summary = "scaling laws, Pareto fronts, training dynamics, weights, memory limits, and the paper's numbers, as tables",
      .options =
          {{.name = "ANALYSIS", .help = "what to compute", .target = &a->analysis, .choices = analysis_names(), .required = true},
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
