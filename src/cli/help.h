// SPDX-License-Identifier: Apache-2.0
#pragma once
// Texts made from the command table: help, man page, shell completion.
#include <string>
#include <vector>

#include "cli/command.h"

namespace spectra::cli {

/// The options every command has, bound to global().
std::vector<Option> global_options();
/// `spectra --help`.
std::string overview(const std::vector<Command>& commands);
/// `spectra COMMAND --help`; `all` adds the advanced options.
std::string command_help(const Command& command, bool all);
/// A man page (section 1) in roff.
std::string man_page(const std::vector<Command>& commands);
/// A bash completion script; zsh reads it through bashcompinit.
std::string bash_completion(const std::vector<Command>& commands);
/// The longest spelling of an option: "--out" of "-o,--out".
std::string long_name(const Option& option);
bool is_positional(const Option& option);

}  // namespace spectra::cli
