// SPDX-License-Identifier: Apache-2.0
#include "base/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/log.h"
#include "base/units.h"

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

}  // namespace spectra
