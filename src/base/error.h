// SPDX-License-Identifier: Apache-2.0
#pragma once
// Two kinds of failure. The user's input is wrong: throw spectra::Error, which names what was seen, where, what is
// allowed, and what to do next. Our code is wrong: SPECTRA_CHECK aborts with the expression and the values.
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace spectra {

/// Exit codes of the command line tool; every Error carries the one it ends the process with.
enum class Exit : int {
  kOk = 0,
  kFailed = 1,        ///< something outside our control failed: I/O, the network
  kUsage = 2,         ///< wrong options
  kBadInput = 3,      ///< a file, model, recipe or text that cannot be used
  kThreshold = 4,     ///< a threshold that was asked for was missed
  kRefused = 5,       ///< would not fit in memory or on disk; nothing was started
  kInterrupted = 130  ///< SIGINT or SIGTERM, after saving what there was to save
};

class Error : public std::runtime_error {
 public:
  /// `message`: what was seen and where. `hint`: what is allowed and what to do next (may be empty).
  Error(Exit code, const std::string& message, std::string hint = "")
      : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}
  Exit code() const { return code_; }
  const std::string& hint() const { return hint_; }

 private:
  Exit code_;
  std::string hint_;
};

/// The common case: a file or value that cannot be used (exit 3).
inline Error bad_input(const std::string& message, std::string hint = "") {
  return Error(Exit::kBadInput, message, std::move(hint));
}

/// An operating system call failed on `path`: "cannot write X: No space left on device" (exit 3; 1 for I/O errors). Reads errno.
Error io_error(const std::string& action, const std::string& path);

[[noreturn]] void check_failed(const char* expression, const char* file, int line, const std::string& values);

}  // namespace spectra

/// Aborts when an invariant of our own code does not hold. Further arguments are formatted: SPECTRA_CHECK(a == b, "a={} b={}", a,
/// b).
#define SPECTRA_CHECK(expression, ...)                                                                  \
  do {                                                                                                  \
    if (!(expression)) [[unlikely]]                                                                     \
      ::spectra::check_failed(#expression, __FILE__, __LINE__, ::spectra::detail::values(__VA_ARGS__)); \
  } while (false)

namespace spectra::detail {
inline std::string values() { return {}; }
template <class... Args>
std::string values(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}
}  // namespace spectra::detail
