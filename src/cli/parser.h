// SPDX-License-Identifier: Apache-2.0
#pragma once
// From words to a command that runs.
#include <string>
#include <vector>

#include "cli/command.h"

namespace spectra::cli {

/// Sets the variables of the command's options, and global(). False where only help was asked for, which is printed then. Throws
/// Error (exit 2) where an argument is unknown, wrong or missing.
bool parse(const Command& command, std::vector<std::string> arguments);

/// What `spectra ARGUMENTS...` does. Returns the exit code; throws Error, which was printed on stdout where --json asks for it.
int parse_and_run(std::vector<std::string> arguments);

}  // namespace spectra::cli
