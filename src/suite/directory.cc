// SPDX-License-Identifier: Apache-2.0
#include "suite/directory.h"

#include "base/error.h"
#include "suite/results.h"

namespace spectra::suite {
namespace {

fs::path name_file(const fs::path& directory) { return directory / "jobs/suite.name"; }

}  // namespace

void check_suite_directory(const Suite& suite, const fs::path& directory) {
  if (!fs::exists(directory)) return;
  if (!fs::is_directory(directory)) throw bad_input(fmt::format("{} is a file", directory.string()), "give a directory as --out");
  if (fs::is_empty(directory)) return;
  const std::string there = fs::exists(name_file(directory)) ? read_file(name_file(directory)) : earlier_name(directory);
  if (there.empty())
    throw bad_input(fmt::format("{} holds something that is not a suite", directory.string()), "give a new directory as --out");
  if (there != suite.name)
    throw bad_input(fmt::format("{} holds the suite {}, not {}", directory.string(), there, suite.name), "give another --out");
}

void make_suite_directory(const Suite& suite, const fs::path& directory) {
  check_suite_directory(suite, directory);
  for (const char* name : {"jobs", "logs", "recipes", "runs", "models", "packed"}) fs::create_directories(directory / name);
  if (!fs::exists(name_file(directory))) write_file(name_file(directory), suite.name);
}

}  // namespace spectra::suite
