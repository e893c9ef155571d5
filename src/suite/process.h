// SPDX-License-Identifier: Apache-2.0
#pragma once
// A `spectra` command as a process of its own.
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"

namespace spectra::suite {

/// Starts this very program with `arguments` in `directory`: stdin is empty, stdout goes to `out` (written anew), stderr is added
/// to `log`. The process has a group of its own, so that a Ctrl-C reaches it through us alone; it is killed when we die, however we
/// die. Variables of MPI launchers and of recipes (SPECTRA_SECTION__KEY) are not handed on: a suite's file says it all. Called from
/// the main thread only. Throws Error.
pid_t start_process(const fs::path& directory, const std::vector<std::string>& arguments, const fs::path& out, const fs::path& log);

constexpr int kCannotStart = 127;  ///< exit code of a process that did not begin

/// The exit code of a process that has ended (128 + signal where one killed it); nullopt while it runs.
std::optional<int> exit_code(pid_t process);
void interrupt_process(pid_t process);
/// "ended with exit code 3", "was killed by signal 9 ..."
std::string how_it_ended(int code);

}  // namespace spectra::suite
