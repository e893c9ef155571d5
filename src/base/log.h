// SPDX-License-Identifier: Apache-2.0
#pragma once
// Messages for people, all on stderr: stdout carries results only. Colour only on a terminal and without NO_COLOR.
#include <fmt/format.h>

#include <string>
#include <utility>

namespace spectra {

/// Hides info messages and progress (`--quiet`); warnings and errors stay.
void set_quiet(bool quiet);
bool is_quiet();
bool stderr_is_terminal();

void log_line(const std::string& text);                                  ///< plain information
void warn_line(const std::string& text);                                 ///< "warning: ..."
void error_line(const std::string& text, const std::string& hint = "");  ///< "error: ...\n  hint"

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  warn_line(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace spectra
