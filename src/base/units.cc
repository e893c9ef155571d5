// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace spectra {
namespace {

std::string scaled(uint64_t value, const char* const* units, int count, const char* separator) {
  auto scaled = static_cast<double>(value);
  int unit = 0;
  while (scaled >= 999.5 && unit + 1 < count) {
    scaled /= 1000;
    ++unit;
  }
  const int digits = unit == 0 ? 0 : scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}{}{}", scaled, digits, separator, units[unit]);
}

}  // namespace

std::string format_duration(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole >= 86400) return fmt::format("{}d {:02}h", whole / 86400, whole / 3600 % 24);
  if (whole >= 3600) return fmt::format("{}h {:02}m", whole / 3600, whole / 60 % 60);
  if (whole >= 60) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
  return fmt::format("{} s", whole);
}

std::string format_bytes(uint64_t bytes) {
  static const char* const kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  return scaled(bytes, kUnits, 6, " ");
}

uint64_t parse_bytes(const std::string& text, const std::string& option) {
  static const std::pair<const char*, double> kUnits[] = {{"B", 1},        {"kB", 1e3},     {"KB", 1e3},     {"MB", 1e6},
                                                          {"GB", 1e9},     {"TB", 1e12},    {"KiB", 0x1p10}, {"MiB", 0x1p20},
                                                          {"GiB", 0x1p30}, {"TiB", 0x1p40}, {"", 0x1p20}};
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  while (*end == ' ') ++end;
  for (const auto& [unit, factor] : kUnits)
    if (end != text.c_str() && std::string_view(end) == unit && value >= 0 && value * factor <= 0x1p60)
      return static_cast<uint64_t>(value * factor);
  throw Error(Exit::kUsage, fmt::format("{} {} is no amount of memory", option, text),
              "allowed: a number and B, kB, MB, GB, KiB, MiB or GiB, as 4GiB; a number alone counts MiB");
}

std::string format_count(uint64_t count) {
  static const char* const kUnits[] = {"", "k", "M", "B", "T"};
  return scaled(count, kUnits, 5, "");
}

}  // namespace spectra
