// SPDX-License-Identifier: Apache-2.0
#include "analysis/report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "analysis/chart.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/system.h"

namespace spectra::analysis {
namespace {

constexpr const char* kPageStyle = R"(
@media print{figure{break-inside:avoid}}
*{box-sizing:border-box}body{margin:0 auto;max-width:76rem;padding:1.2rem;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}p{margin:.4rem 0;color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
table{font-size:.82rem}th,td{padding:.3rem .35rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}th:first-child,td:first-child{text-align:left}
th{font-weight:600;color:var(--soft);font-size:.78rem}.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1rem}figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.5rem}
blockquote{margin:.6rem 0;padding:.6rem .9rem;background:var(--card);border-left:4px solid var(--c5);border-radius:4px;white-space:pre-wrap}
dot{display:inline-block;width:.7em;height:.7em;border-radius:50%;margin-right:.4em})";

std::string family_label(const TrainingRun& run) {
  switch (run.config.family) {
    case model::Family::kFloat:
      return "FloatLM";
    case model::Family::kTernary:
      return "TriLM";
    case model::Family::kBinary:
      return "BiLM";
  }
  return "";
}

std::string cell(double value, int digits) { return std::isnan(value) ? "–" : fmt::format("{:.{}f}", value, digits); }

double median_speed(const TrainingRun& run) {
  std::vector<double> speeds;
  for (const LogPoint& point : run.log)
    if (!std::isnan(point.tokens_per_second)) speeds.push_back(point.tokens_per_second);
  if (speeds.empty()) return LogPoint::kAbsent;
  std::nth_element(speeds.begin(), speeds.begin() + static_cast<std::ptrdiff_t>(speeds.size() / 2), speeds.end());
  return speeds[speeds.size() / 2];
}

std::string summary_table(const std::vector<TrainingRun>& runs) {
  std::string html =
      "<div class=\"wide\"><table><tr><th>run</th><th>family</th><th>parameters</th><th>size, Mbit</th><th>tokens</th>"
      "<th>training loss</th><th>validation loss</th><th>perplexity</th><th>zero weights</th><th>skipped "
      "steps</th><th>tokens/s</th></tr>\n";
  for (size_t i = 0; i < runs.size(); ++i) {
    const TrainingRun& run = runs[i];
    std::vector<double> losses;
    double zeros = LogPoint::kAbsent;
    int skipped = 0;
    for (const LogPoint& point : run.log) {
      losses.push_back(point.loss);
      if (!std::isnan(point.zero_fraction)) zeros = point.zero_fraction;
      skipped += !point.skipped.empty();
    }
    html += fmt::format(
        "<tr><td><dot style=\"background:var(--c{})\"></dot>{}</td><td>{}</td><td>{}</td><td>{:.1f}</td><td>{}</td><td>{}</td>"
        "<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        i % 6, escaped(run.name), family_label(run), format_count(static_cast<uint64_t>(run.parameters)), run.bits / 1e6,
        format_count(static_cast<uint64_t>(run.log.back().tokens)), cell(smoothed(losses, 20).back(), 3),
        cell(run.validation_loss, 3), cell(std::exp(run.validation_loss), 2),
        std::isnan(zeros) ? "–" : fmt::format("{:.1f} %", 100 * zeros), skipped, cell(median_speed(run), 0));
  }
  return html + "</table></div>\n";
}

using Getter = double (*)(const LogPoint&);

/// One series a run of `value` against tokens; lines that lack the value are left out.
Series series_of(const TrainingRun& run, size_t index, Getter value) {
  Series series;
  series.name = run.name;
  series.colour = static_cast<int>(index);
  for (const LogPoint& point : run.log)
    if (!std::isnan(value(point))) {
      series.x.push_back(point.tokens);
      series.y.push_back(value(point));
    }
  return series;
}

/// Marks of one kind. A place that all runs with such a mark share needs no name; otherwise each place names its runs.
void add_marks(std::vector<Mark>& marks, const std::vector<TrainingRun>& runs, double TrainingRun::*at, const std::string& label) {
  std::map<double, std::vector<size_t>> places;
  for (size_t i = 0; i < runs.size(); ++i)
    if (!std::isnan(runs[i].*at)) places[runs[i].*at].push_back(i);
  for (const auto& [x, here] : places) {
    std::string names;
    for (const size_t i : here) names += (names.empty() ? "" : ", ") + runs[i].name;
    marks.push_back(
        {x, places.size() == 1 ? label : label + ": " + names, here.size() == 1 ? static_cast<int>(here[0]) : kNeutral});
  }
}

std::vector<Mark> interventions(const std::vector<TrainingRun>& runs) {
  std::vector<Mark> marks;
  add_marks(marks, runs, &TrainingRun::lr_drop_at, "lr drop");
  add_marks(marks, runs, &TrainingRun::decay_off_at, "weight decay off");
  return marks;
}

std::vector<Incident> skipped_steps(const std::vector<TrainingRun>& runs) {
  std::vector<Incident> incidents;
  for (size_t i = 0; i < runs.size(); ++i)
    for (const LogPoint& point : runs[i].log)
      if (!point.skipped.empty())
        incidents.push_back(
            {point.tokens, fmt::format("{}: step {} skipped, {}", runs[i].name, point.step, point.skipped), static_cast<int>(i)});
  return incidents;
}

/// A chart of `value` against tokens, without series when no run has the value.
Chart chart_of(const std::vector<TrainingRun>& runs, const std::string& title, const std::string& y_label, Getter value,
               bool smooth) {
  Chart chart{title, "tokens", y_label, {}, interventions(runs), skipped_steps(runs)};
  for (size_t i = 0; i < runs.size(); ++i) {
    Series series = series_of(runs[i], i, value);
    if (series.x.empty()) continue;
    if (smooth) {
      Series raw = series;
      raw.faint = true;
      chart.series.push_back(raw);
      series.y = smoothed(series.y, std::max(2.0, static_cast<double>(series.y.size()) / 100));
    }
    chart.series.push_back(series);
  }
  return chart;
}

std::string figure(const Chart& chart) { return chart.series.empty() ? "" : "<figure>" + to_svg(chart) + "</figure>\n"; }

Chart training_loss(const std::vector<TrainingRun>& runs) {
  return chart_of(
      runs, "Training loss", "loss, nats", [](const LogPoint& p) { return p.loss; }, true);
}

std::string loss_against_bits(const std::vector<TrainingRun>& runs) {
  Chart chart{"Validation loss against size", "size in bits", "validation loss, nats", {}, {}, {}, true};
  for (size_t i = 0; i < runs.size(); ++i)
    if (!std::isnan(runs[i].validation_loss))
      chart.series.push_back({runs[i].name, {runs[i].bits}, {runs[i].validation_loss}, static_cast<int>(i), true});
  return figure(chart);
}

/// The mean over the layers of `values` during training, with each layer behind it; runs without layer statistics are left out.
Chart layers_over_time(const std::vector<TrainingRun>& runs, const std::string& title, const std::string& y_label,
                       std::vector<double> LayerPoint::*values) {
  Chart chart{title, "tokens", y_label, {}, interventions(runs)};
  for (size_t i = 0; i < runs.size(); ++i) {
    const TrainingRun& run = runs[i];
    if (run.layers.empty()) continue;
    Series mean{run.name, {}, {}, static_cast<int>(i)};
    std::vector<Series> each((run.layers.front().*values).size(), Series{"", {}, {}, static_cast<int>(i), false, true});
    for (const LayerPoint& point : run.layers) {
      double sum = 0;
      for (size_t layer = 0; layer < each.size(); ++layer) {
        each[layer].x.push_back(point.tokens);
        each[layer].y.push_back((point.*values)[layer]);
        sum += (point.*values)[layer];
      }
      mean.x.push_back(point.tokens);
      mean.y.push_back(sum / static_cast<double>(each.size()));
    }
    chart.series.insert(chart.series.end(), each.begin(), each.end());
    chart.series.push_back(mean);
  }
  return chart;
}

/// The scale of every layer at the end of the run.
Chart scales_by_depth(const std::vector<TrainingRun>& runs) {
  Chart chart{"Scale by depth, at the end", "layer", "scale, mean of the layer's matrices", {}};
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].layers.empty()) continue;
    Series series{runs[i].name, {}, runs[i].layers.back().scale, static_cast<int>(i)};
    for (size_t layer = 0; layer < series.y.size(); ++layer) series.x.push_back(static_cast<double>(layer));
    chart.series.push_back(series);
  }
  return chart;
}

std::string layer_section(const std::vector<TrainingRun>& runs) {
  if (std::all_of(runs.begin(), runs.end(), [](const TrainingRun& run) { return run.layers.empty(); })) return "";
  return "<h2>Low-bit layers</h2>\n<p>Pale lines are single layers. A weight is near a threshold when its latent value lies within "
         "0.05 scales of where its code changes.</p>\n<div class=\"charts\">\n" +
         figure(layers_over_time(runs, "Scale of the weights", "scale", &LayerPoint::scale)) + figure(scales_by_depth(runs)) +
         figure(layers_over_time(runs, "Weights near a threshold", "fraction", &LayerPoint::near_fraction)) +
         figure(layers_over_time(runs, "Distance from the threshold", "mean, in scales", &LayerPoint::distance)) + "</div>\n";
}

std::string sample_section(const std::vector<Sample>& samples) {
  std::string html;
  std::set<std::string> prompts;
  for (const Sample& sample : samples) prompts.insert(sample.prompt);
  for (const std::string& prompt : prompts) {
    html += fmt::format("<p>Prompt: “{}”</p>\n", escaped(prompt));
    for (const Sample& sample : samples)
      if (sample.prompt == prompt)
        html += fmt::format("<blockquote><strong>{}</strong>\n{}</blockquote>\n", escaped(sample.run),
                            escaped(sample.prompt + sample.text));
  }
  return html.empty() ? "" : "<h2>What the models write (greedy)</h2>\n" + html;
}

}  // namespace

std::string report_html(const std::vector<TrainingRun>& runs, const std::vector<Sample>& samples, const std::string& title,
                        const std::vector<QuantizedModel>& quantized) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">"
      "<title>{0}</title><style>{1}{2}</style></head><body>\n<h1>{0}</h1>\n<p>{3} runs, {4}.</p>\n",
      escaped(title), chart_style(), kPageStyle, runs.size(), utc_time());
  html += summary_table(runs);
  html +=
      "<p>Size in bits as the Spectra paper counts it: 16 for embedding and head, 16, 1.58 or 1 for each weight of the linear "
      "layers.</p>\n";
  html += "<h2>Loss</h2>\n<div class=\"charts\">\n";
  html += figure(training_loss(runs));
  html += figure(chart_of(
      runs, "Validation loss", "loss, nats", [](const LogPoint& p) { return p.validation_loss; }, false));
  html += loss_against_bits(runs) + "</div>\n";
  html += sample_section(samples);
  html += "<h2>Dynamics</h2>\n<div class=\"charts\">\n";
  html += figure(chart_of(
      runs, "Learning rate", "learning rate", [](const LogPoint& p) { return p.lr; }, false));
  html += figure(chart_of(
      runs, "Gradient norm", "norm before clipping", [](const LogPoint& p) { return p.grad_norm; }, true));
  html += figure(chart_of(
      runs, "Zero weights of ternary layers", "fraction", [](const LogPoint& p) { return p.zero_fraction; }, false));
  html += figure(chart_of(
      runs, "Low-bit weights that changed per step", "fraction", [](const LogPoint& p) { return p.flip_fraction; }, true));
  html += "</div>\n" + layer_section(runs) + error_maps(quantized);
  return html + "</body></html>\n";
}

std::string report_svg(const std::vector<TrainingRun>& runs) { return to_svg_file(training_loss(runs)); }

}  // namespace spectra::analysis
