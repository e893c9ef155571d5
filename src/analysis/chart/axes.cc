// SPDX-License-Identifier: Apache-2.0
#include "analysis/chart/axes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace spectra::analysis {
namespace {

/// "2.50" -> "2.5", "3." -> "3".
std::string without_zeros(std::string text) {
  if (text.find('.') == std::string::npos || text.find('e') != std::string::npos) return text;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string with_unit(double value, int digits) {
  static const char* const kUnits[] = {"", "k", "M", "B", "T"};
  int unit = 0;
  while (std::abs(value) >= 999.995 && unit < 4) value /= 1000, ++unit;
  return without_zeros(fmt::format("{:.{}f}", value, std::abs(value) >= 100 ? std::max(0, digits - 2) : digits)) + kUnits[unit];
}

int decimals_needed(double value) {
  for (int digits = 0; digits < 6; ++digits) {
    const double scaled = std::abs(value) * std::pow(10, digits);
    if (std::abs(scaled - std::round(scaled)) < 1e-6 * std::max(1.0, scaled)) return digits;
  }
  return 6;
}

}  // namespace

Range::Range() : low(std::numeric_limits<double>::infinity()), high(-std::numeric_limits<double>::infinity()) {}

void Range::include(double value) {
  if (!std::isfinite(value)) return;
  low = std::min(low, value);
  high = std::max(high, value);
}

double Axis::at(double value) const {
  const double share =
      logarithmic ? std::log(value / range.low) / std::log(range.high / range.low) : (value - range.low) / (range.high - range.low);
  return begin + share * (end - begin);
}

void finish_axis(Axis& axis, int wanted, double margin) {
  Range& range = axis.range;
  if (range.empty()) range.low = axis.logarithmic ? 1 : 0, range.high = axis.logarithmic ? 10 : 1;
  if (axis.logarithmic) {
    const double factor = range.high > range.low * 1.0001 ? std::pow(range.high / range.low, margin) : 1.5;
    range.low /= factor;
    range.high *= factor;
    axis.ticks = log_ticks(range.low, range.high, wanted);
    for (double decade = std::pow(10, std::floor(std::log10(range.low))); decade <= range.high; decade *= 10)
      for (int digit = 1; digit < 10; ++digit)
        if (axis.holds(digit * decade)) axis.minor.push_back(digit * decade);
  } else {
    const bool wide = range.high - range.low > 1e-6 * std::max(std::abs(range.low), std::abs(range.high));  // not rounding alone
    const double extra = wide ? (range.high - range.low) * margin : std::max(1e-3, std::abs(range.high) * 0.05);
    range.low -= extra;
    range.high += extra;
    axis.ticks = ticks(range.low, range.high, wanted);
  }
  axis.labels = tick_labels(axis.ticks);
}

std::vector<double> ticks(double low, double high, int wanted) {
  const double raw = (high - low) / wanted, power = std::pow(10, std::floor(std::log10(raw)));
  const double fraction = raw / power;
  const double step = power * (fraction < 1.5 ? 1 : fraction < 3.5 ? 2 : fraction < 7.5 ? 5 : 10);
  std::vector<double> out;
  const double first = std::ceil(low / step - 1e-9);  // counted, not summed: a step may be too small to change a value
  for (int i = 0; i < 100 && (first + i) * step <= high + step * 1e-9; ++i) out.push_back((first + i) * step + 0.0);
  return out;
}

std::vector<double> log_ticks(double low, double high, int wanted) {
  const double decades = std::log10(high / low);
  if (decades < 0.5) return ticks(low, high, wanted);
  std::vector<double> steps = {1, 2, 5};
  if (decades < 1) steps = {1, 1.5, 2, 3, 4, 5, 7};
  if (3 * decades > 1.6 * wanted) steps = {1, 3};
  if (2 * decades > 1.6 * wanted) steps = {1};
  const int stride = std::max(1, static_cast<int>(std::ceil(decades / (1.6 * wanted))));
  std::vector<double> out;
  for (int power = static_cast<int>(std::floor(std::log10(low))); std::pow(10, power) <= high; ++power)
    for (const double step : steps)
      if (const double value = step * std::pow(10, power); power % stride == 0 && value >= low && value <= high)
        out.push_back(value);
  return out.size() < 2 ? ticks(low, high, wanted) : out;
}

std::vector<std::string> tick_labels(const std::vector<double>& values) {
  double largest = 0, smallest = std::numeric_limits<double>::infinity();
  int decimals = 0;
  for (const double value : values) {
    largest = std::max(largest, std::abs(value));
    if (value != 0) smallest = std::min(smallest, std::abs(value));
    decimals = std::max(decimals, decimals_needed(value));
  }
  std::vector<std::string> out;
  for (const double value : values) {
    if (largest >= 10000)
      out.push_back(with_unit(value, 3));
    else if (decimals >= 5 || largest / smallest > 20)
      out.push_back(std::abs(value) < 1e-5 && value != 0 ? fmt::format("{:.0e}", value)
                                                         : without_zeros(fmt::format("{:.6f}", value)));
    else
      out.push_back(fmt::format("{:.{}f}", value, decimals));
    if (value < 0) out.back() = "−" + out.back().substr(1);
  }
  return out;
}

std::string short_number(double value) {
  if (!std::isfinite(value)) return "–";
  const double size = std::abs(value);
  const std::string text = size >= 10000 && size < 1e15 ? with_unit(value, 2) : fmt::format("{:.5g}", value);
  return value < 0 && text[0] == '-' ? "−" + text.substr(1) : text;
}

/// Widths of DejaVu Sans, which is wider than what most systems have.
double text_width(const std::string& text, double size) {
  double letters = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) == 0x80) continue;  // the rest of a letter in UTF-8
    if (std::string("il.,:;|'()[] ftj").find(c) != std::string::npos)
      letters += 0.36;
    else if ((c >= 'A' && c <= 'Z') || c == 'm' || c == 'w' || (c & 0x80) != 0)
      letters += 0.76;
    else
      letters += 0.61;
  }
  return letters * size;
}

}  // namespace spectra::analysis
