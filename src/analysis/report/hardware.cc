// SPDX-License-Identifier: Apache-2.0
// Why fewer bits: memory and bandwidth of accelerators, the models that fit, and the most that decoding can gain (paper,
// section 2.1).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/hardware.h"
#include "analysis/report/sections.h"

namespace spectra::analysis {
namespace {

struct Width {
  const char* name;
  double bits;
  int colour;
};
const std::vector<Width>& widths() {
  static const std::vector<Width> all = {{"16 bits", 16, 0}, {"4 bits", 4.25, 4}, {"ternary", 1.58, 1}, {"binary", 1, 2}};
  return all;
}

constexpr double kSmallest = 1e9, kLargest = 1e12;
constexpr int kPoints = 40;

/// Linear parameters of models of the LLaMA family, evenly on a logarithmic axis.
std::vector<double> linear_sizes() {
  std::vector<double> sizes;
  for (int i = 0; i < kPoints; ++i) sizes.push_back(kSmallest * std::pow(kLargest / kSmallest, i / (kPoints - 1.0)));
  return sizes;
}

Chart memory_chart() {
  Chart chart{"Memory that the weights take", "parameters", "GB", {}};
  chart.log_x = chart.log_y = true;
  for (const Width& width : widths()) {
    Series series{width.name, {}, {}, width.colour};
    for (const double linear : linear_sizes()) {
      series.x.push_back(linear + llama_embedding(linear));
      series.y.push_back(llama_bits(linear, width.bits) / 8e9);
    }
    chart.series.push_back(series);
  }
  struct Limit {
    const char* name;
    double gigabytes;
  };
  for (const Limit& limit : {Limit{"H100", 80}, Limit{"MI300X", 192}, Limit{"8 × H100", 640}}) {
    Series series{limit.name, {chart.series[0].x.front(), chart.series[0].x.back()}, {limit.gigabytes, limit.gigabytes}, kNeutral};
    series.dashed = true;
    series.hover = false;
    chart.series.push_back(series);
  }
  return chart;
}

Chart speedup_chart() {
  Chart chart{"Most that decoding can gain over 16 bits", "parameters", "times as fast", {}};
  chart.log_x = true;
  for (const Width& width : widths()) {
    if (width.bits == 16) continue;
    Series series{width.name, {}, {}, width.colour};
    for (const double linear : linear_sizes()) {
      series.x.push_back(linear + llama_embedding(linear));
      series.y.push_back(decode_speedup(linear, width.bits));
    }
    chart.series.push_back(series);
  }
  return chart;
}

/// Points a vendor, and the line through all.
Chart trend_chart(const std::string& title, const std::string& y_label, const std::function<double(const Accelerator&)>& value,
                  double Trend::*slope, double Trend::*at_2020) {
  Chart chart{title, "year", y_label, {}};
  const std::vector<Accelerator> all = known_accelerators();
  for (const Trend& trend : hardware_trends(all)) {
    const bool everyone = trend.vendor == "all";
    Series points{trend.vendor, {}, {}, static_cast<int>(chart.series.size() % 4), true};
    points.marker = static_cast<Marker>(chart.series.size() % 4);
    double first = 3000, last = 0;
    for (const Accelerator& one : all) {
      if (!everyone && one.vendor != trend.vendor) continue;
      first = std::min(first, one.year), last = std::max(last, one.year);
      points.x.push_back(one.year), points.y.push_back(value(one));
      points.notes.push_back(fmt::format("{} {}: {:g} GB, {:g} TB/s, {:g} TFLOPS", one.vendor, one.name, one.memory_gb,
                                         one.bandwidth_tbps, one.tflops));
    }
    if (everyone) {
      const auto line = [&](double year) { return trend.*at_2020 + trend.*slope * (year - 2020); };
      points = {"trend of all", {first, last}, {line(first), line(last)}, kNeutral};
      points.dashed = true;
      points.hover = false;
    }
    chart.series.push_back(points);
  }
  return chart;
}

}  // namespace

Section hardware_section(const ReportInput& input) {
  Section section{"hardware", "Memory and bandwidth", ""};
  section.intro =
      "<p>Not from this suite: what accelerators offer, and what that means for models of the LLaMA family with a vocabulary of "
      "128 256 "
      "whose embedding and head stay at 16 bits. Weights alone, without keys and values.</p>\n";
  const auto gigabytes = [](const Accelerator& one) { return one.memory_gb / one.tflops; };
  const auto bandwidth = [](const Accelerator& one) { return one.bandwidth_tbps / one.tflops; };
  section.figures = {
      {"memory",
       "Memory that the weights take",
       {memory_chart()},
       "Dashed: what one or eight accelerators hold.",
       {},
       input.command + "\nspectra analyze memory"},
      {"speed-up",
       "Most that decoding can gain over 16 bits",
       {speedup_chart()},
       "Where reading the weights is all that takes time: the ratio of their bits.",
       {},
       input.command + "\nspectra analyze memory"},
      {"memory-trend",
       "Memory for each TFLOPS",
       {trend_chart("Memory for each TFLOPS", "GB / TFLOPS", gigabytes, &Trend::gb_slope, &Trend::gb_at_2020)},
       "",
       {},
       input.command + "\nspectra analyze hardware"},
      {"bandwidth-trend",
       "Bandwidth for each TFLOPS",
       {trend_chart("Bandwidth for each TFLOPS", "TB/s / TFLOPS", bandwidth, &Trend::tbps_slope, &Trend::tbps_at_2020)},
       "",
       {},
       input.command + "\nspectra analyze hardware"}};
  return section;
}

}  // namespace spectra::analysis
