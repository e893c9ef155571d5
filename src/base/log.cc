// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace spectra {
namespace {

bool quiet = false;

bool coloured() {
  const char* no_color = std::getenv("NO_COLOR");
  return stderr_is_terminal() && (no_color == nullptr || *no_color == '\0');
}

void print_label(const char* label, const char* colour) {
  if (coloured())
    std::fprintf(stderr, "\033[%sm%s\033[0m ", colour, label);
  else
    std::fprintf(stderr, "%s ", label);
}

}  // namespace

void set_quiet(bool value) { quiet = value; }
bool is_quiet() { return quiet; }
bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

void log_line(const std::string& text) {
  if (!quiet) std::fprintf(stderr, "%s\n", text.c_str());
}

void warn_line(const std::string& text) {
  print_label("warning:", "33");
  std::fprintf(stderr, "%s\n", text.c_str());
}

void error_line(const std::string& text, const std::string& hint) {
  print_label("error:", "31");
  std::fprintf(stderr, "%s\n", text.c_str());
  if (!hint.empty()) std::fprintf(stderr, "  %s\n", hint.c_str());
}

}  // namespace spectra
