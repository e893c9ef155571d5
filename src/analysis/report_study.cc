// SPDX-License-Identifier: Apache-2.0
// A study in words, its models as a table, and where everything comes from.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/report_sections.h"
#include "base/progress.h"

namespace spectra::analysis {
namespace {

std::string item(const std::string& text) { return "<li>" + text + "</li>\n"; }

/// "+0.081 ± 0.012 (95 % interval, 3 seeds)".
std::string with_margin(const Mean& mean) {
  const std::string sign = mean.mean < 0 ? "−" : "+";
  if (mean.count < 2) return fmt::format("{}{:.3f} (one seed, so no interval)", sign, std::abs(mean.mean));
  return fmt::format("{}{:.3f} ± {:.3f} (95 % interval over {} seeds)", sign, std::abs(mean.mean), mean.margin, mean.count);
}

const SizeDifference* of_size(const std::vector<SizeDifference>& all, const std::string& size) {
  for (const SizeDifference& one : all)
    if (one.size == size) return &one;
  return nullptr;
}

/// Sizes of the suite's own evaluated models, smallest first.
std::vector<std::string> sizes_of(const Study& study) {
  std::map<double, std::string> sizes;
  for (const StudyModel& model : study.models)
    if (model.arm.empty() && std::isfinite(model.validation_loss)) sizes[model.parameters] = model.size;
  std::vector<std::string> out;
  for (const auto& entry : sizes)
    if (std::find(out.begin(), out.end(), entry.second) == out.end()) out.push_back(entry.second);
  return out;
}

/// Words on the largest size that has both models.
std::string gap_item(const Study& study, const Kind& kind, const Kind& base) {
  const std::vector<SizeDifference> gaps = differences(study, kind, base, validation_loss);
  if (gaps.empty()) return "";
  const SizeDifference& gap = gaps.back();
  std::string losses;
  for (const Kind& one : {kind, base})
    for (const SizeGroup& group : by_size(study, one, validation_loss))
      if (group.size == gap.size) losses += fmt::format("{} reaches {:.3f} nats a token, ", kind_name(one), group.mean.mean);
  return item(fmt::format("At <strong>{}</strong>, {}a difference of {}.", escaped(gap.size), losses, with_margin(gap.mean)));
}

/// A row a size: losses of the trained kinds and their differences.
Table sizes_table(const Study& study) {
  Table table{{"size", "FloatLM", "TriLM", "BiLM", "TriLM − FloatLM", "±", "BiLM − TriLM", "±"}, {}};
  const std::vector<SizeDifference> ternary = differences(study, kTriLM, kFloatLM, validation_loss),
                                    binary = differences(study, kBiLM, kTriLM, validation_loss);
  for (const std::string& size : sizes_of(study)) {
    std::vector<Cell> row = {size};
    for (const Kind& kind : {kFloatLM, kTriLM, kBiLM}) {
      double loss = kUnknown;
      for (const SizeGroup& group : by_size(study, kind, validation_loss))
        if (group.size == size) loss = group.mean.mean;
      row.push_back(Cell::fixed(loss, 3));
    }
    for (const auto* gaps : {&ternary, &binary}) {
      const SizeDifference* gap = of_size(*gaps, size);
      row.push_back(Cell::fixed(gap ? gap->mean.mean : kUnknown, 3));
      row.push_back(Cell::fixed(gap ? gap->mean.margin : kUnknown, 3));
    }
    table.rows.push_back(row);
  }
  return table;
}

std::string quantized_items(const Study& study) {
  std::string html;
  for (const Kind& kind : kinds_of(study)) {
    if (kind.bits == 0) continue;
    const std::vector<SizeDifference> added = differences(study, kind, kFloatLM, validation_loss);
    if (added.empty()) continue;
    double low = added[0].mean.mean, high = low;
    for (const SizeDifference& size : added) low = std::min(low, size.mean.mean), high = std::max(high, size.mean.mean);
    html += item(added.size() == 1 ? fmt::format("Rounded to {} bits, the FloatLM's loss changes by {:+.4f} nats.", kind.bits, low)
                                   : fmt::format("Rounded to {} bits, the FloatLMs' losses change by {:+.4f} to {:+.4f} nats.",
                                                 kind.bits, low, high));
  }
  return html;
}

std::string progress_sentence(const Study& study) {
  std::map<std::string, int> states;
  for (const StudyJob& job : study.jobs) ++states[job.state];
  std::string text = study.finished ? "Finished" : "Still running";
  text += fmt::format(": {} of {} jobs done", states["done"], study.jobs.size());
  if (states["running"] > 0) text += fmt::format(", {} running", states["running"]);
  if (states["failed"] > 0) text += fmt::format(", {} failed", states["failed"]);
  if (std::isfinite(study.seconds)) text += fmt::format(", {} of work", format_duration(study.seconds));
  return text + ".";
}

std::vector<Cell> row_of(const StudyModel& model) {
  Cell name(model.name);
  name.colour = kind_colour(kind_of(model));
  return {name,
          kind_name(kind_of(model)),
          Cell(model.parameters, model.size),
          model.arm.empty() ? "–" : model.arm,
          Cell(static_cast<double>(model.seed)),
          Cell(model.tokens),
          Cell::fixed(model.size_bits / 1e6, 1),
          Cell(model.disk_bytes, std::isfinite(model.disk_bytes) ? format_bytes(static_cast<uint64_t>(model.disk_bytes)) : "–"),
          Cell::fixed(model.training_loss, 4),
          Cell::fixed(model.validation_loss, 4),
          Cell::fixed(std::exp(model.validation_loss), 2)};
}

std::string definition(const std::string& term, const std::string& text) {
  return text.empty() ? "" : "<dt>" + escaped(term) + "</dt><dd>" + escaped(text) + "</dd>\n";
}

Table jobs_table(const Study& study) {
  Table table{{"job", "kind", "state", "seconds", "FLOPs", "command"}, {}};
  for (const StudyJob& job : study.jobs) {
    Cell command(job.command);
    command.command = true;
    table.rows.push_back({job.name, job.kind, job.state, Cell::fixed(job.seconds, 1),
                          Cell(job.flops, std::isfinite(job.flops) ? fmt::format("{:.2e}", job.flops) : "–"), command});
  }
  return table;
}

}  // namespace

Section summary_section(const Study& study) {
  Section section{"summary", "Summary", ""};
  section.after = "<p>" + escaped(progress_sentence(study)) + "</p>\n<ul>\n" + gap_item(study, kTriLM, kFloatLM) +
                  gap_item(study, kBiLM, kTriLM) + quantized_items(study) + "</ul>\n";
  const Table sizes = sizes_table(study);
  if (!sizes.rows.empty())
    section.after +=
        to_html(sizes, "Losses by size") +
        "<p class=\"soft\">Validation losses in nats a token, means over seeds; ± is half the 95 % t-interval of a difference over "
        "the seeds that both models have.</p>\n";
  return section;
}

Section models_section(const Study& study) {
  Section section{"models", "Models", ""};
  if (study.models.empty()) return section;
  Table table;
  table.columns = {"model",           "kind",      "size", "arm", "seed", "tokens", "Mbit", "bytes on disk", "training loss",
                   "validation loss", "perplexity"};
  for (const StudyModel& model : study.models) table.rows.push_back(row_of(model));
  section.after = to_html(table, "Models", true) +
                  "<p class=\"soft\">Losses in nats a token, the validation loss on the same tokens for all models. Mbit: 16 bits "
                  "for each weight of "
                  "embedding and head, and the kind's bits for each weight of the linear layers, as the paper counts. " +
                  csv_link(table, "models.csv", "models.csv") + "</p>\n";
  return section;
}

Section provenance_section(const ReportInput& input) {
  const Study& study = *input.study;
  Section section{"provenance", "Provenance", ""};
  std::string list = definition("Suite", study.name) + definition("sha256 of the suite file", study.suite_sha256) +
                     definition("Command", study.command) + definition("Version", study.version) +
                     definition("Machine", study.machine) + definition("Started", study.started);
  if (std::isfinite(study.seconds)) list += definition("Time", format_duration(study.seconds));
  for (const StudyData& data : study.data)
    list += definition("Data", fmt::format("{}: {} training and {} validation tokens, vocabulary {:.0f}, sha256 {}", data.path,
                                           Cell(data.train_tokens).text, Cell(data.valid_tokens).text, data.vocab, data.sha256));
  list += definition("This page", input.command);
  const Table jobs = jobs_table(study);
  section.after = "<dl>\n" + list + "</dl>\n";
  if (!jobs.rows.empty())
    section.after +=
        fmt::format("<details><summary>{} jobs</summary>\n<p>{}</p>\n", jobs.rows.size(), csv_link(jobs, "jobs.csv", "jobs.csv")) +
        to_html(jobs, "Jobs", true) + "</details>\n";
  return section;
}

}  // namespace spectra::analysis
