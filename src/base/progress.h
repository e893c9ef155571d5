// SPDX-License-Identifier: Apache-2.0
#pragma once
// Progress of long work on stderr: one line redrawn in place on a terminal, one plain line every 10 seconds elsewhere.
#include <chrono>
#include <cstdint>
#include <string>

namespace spectra {

class Progress {
 public:
  /// `total` in any unit (steps, bytes, tokens); 0 = unknown, then no percentage and no ETA. `start`: already done earlier.
  Progress(std::string title, uint64_t total, uint64_t start = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// `done` of total; `detail` is shown after the bar ("loss 3.21, 5600 tok/s"). Cheap: draws at most ten times a second.
  void update(uint64_t done, const std::string& detail = "");
  /// Removes the bar (terminal) so that other lines can be printed; the next update draws it again.
  void clear();

 private:
  void draw(uint64_t done, const std::string& detail);
  std::string title_;
  uint64_t total_, start_;
  bool terminal_, drawn_ = false;
  std::chrono::steady_clock::time_point begin_, last_;
};

/// "1h 02m", "3m 20s", "12 s".
std::string format_duration(double seconds);
/// "1.5 GB", "320 kB": powers of 1000.
std::string format_bytes(uint64_t bytes);
/// "4GiB", "500MB", "800 KiB", "1024B"; a number alone counts MiB. Throws Error (exit 2) naming `option`.
uint64_t parse_bytes(const std::string& text, const std::string& option);
/// "6.0M", "1.15B": counts of tokens and parameters.
std::string format_count(uint64_t count);

/// Seconds since construction.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace spectra
