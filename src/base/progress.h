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

}  // namespace spectra
