// SPDX-License-Identifier: Apache-2.0
#include "base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace spectra {
namespace {

using Clock = std::chrono::steady_clock;

size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

/// Whole fields, which two spaces separate, as many as fit: half a number would be a wrong number.
std::string fitted(std::string line, size_t width) {
  while (line.size() > width) {
    const size_t field = line.rfind("  ");
    line.resize(field == std::string::npos || field == 0 ? width : field);
  }
  return line;
}

}  // namespace

Progress::Progress(std::string title, uint64_t total, uint64_t start)
    : title_(std::move(title)),
      total_(total),
      start_(start),
      terminal_(stderr_is_terminal()),
      begin_(Clock::now()),
      last_(begin_) {}

Progress::~Progress() { clear(); }

void Progress::update(uint64_t done, const std::string& detail) {
  if (is_quiet()) return;
  const auto now = Clock::now();
  const auto interval = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10'000);
  if (now - last_ < interval) return;
  last_ = now;
  draw(done, detail);
}

void Progress::draw(uint64_t done, const std::string& detail) {
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin_).count();
  std::string line = title_;
  if (total_ > 0) {
    const double fraction = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
    line += fmt::format(" {:3.0f} %", 100 * fraction);
    if (done > start_) {
      const double left = elapsed / static_cast<double>(done - start_) * static_cast<double>(total_ - std::min(done, total_));
      line += fmt::format(", {} left", format_duration(left));
    }
  } else {
    line += fmt::format(" {}", format_duration(elapsed));
  }
  if (!detail.empty()) line += "  " + detail;
  if (!terminal_) {
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  line = fitted(line, terminal_width() - 1);
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::clear() {
  if (!drawn_) return;
  std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
  drawn_ = false;
}

std::string format_duration(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole >= 86400) return fmt::format("{}d {:02}h", whole / 86400, whole / 3600 % 24);
  if (whole >= 3600) return fmt::format("{}h {:02}m", whole / 3600, whole / 60 % 60);
  if (whole >= 60) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
  return fmt::format("{} s", whole);
}

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
