// SPDX-License-Identifier: Apache-2.0
#include "cli/openmp_spin.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace spectra::cli {
namespace {

// Looks at a barrier before a thread sleeps. By default libgomp's threads look 300,000 times, which is milliseconds: beside another
// process that has a core of theirs, all others spin until it comes back, and the one that is waited for gets no core of theirs.
constexpr const char* kVariable = "GOMP_SPINCOUNT";
constexpr const char* kSpins = "3000";

bool computes_on_openmp(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "bench") return std::any_of(argv + 2, argv + argc, [](std::string_view option) { return option == "--train"; });
  return command == "train" || command == "quantize";
}

/// Empty where the file that the system runs is not this program, but one that loads or interprets it.
std::filesystem::path own_file() {
  std::error_code error;
  const std::filesystem::path file = std::filesystem::read_symlink("/proc/self/exe", error);
  return !error && file.filename() == program_invocation_short_name ? file : std::filesystem::path();
}

}  // namespace

void shorten_openmp_spin(int argc, char** argv) {
#ifdef _OPENMP
  // The variable is also what ends this: in the program started anew it is set.
  if (!computes_on_openmp(argc, argv) || std::getenv(kVariable) != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  const std::filesystem::path file = own_file();
  if (file.empty() || ::setenv(kVariable, kSpins, 1) != 0) return;
  ::execv(file.c_str(), argv);
  ::unsetenv(kVariable);  // it could not be started: everything works without
#else
  static_cast<void>(argc), static_cast<void>(argv);
#endif
}

}  // namespace spectra::cli
