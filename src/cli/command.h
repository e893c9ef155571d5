// SPDX-License-Identifier: Apache-2.0
#pragma once
// A command is data plus a function. From the same table come the parser, --help, --help-all, the man page and shell completion.
#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace spectra::cli {

/// One option or positional argument, bound to a variable that holds its default.
struct Option {
  std::string name = {};  ///< "--max-tokens", "-o,--out", or "MODEL" for a positional argument
  std::string help = {};  ///< one line, no full stop
  std::variant<bool*, int64_t*, double*, std::string*, std::vector<std::string>*> target = {};
  std::vector<std::string> choices = {};  ///< allowed values; empty = any
  bool required = false;
  bool advanced = false;  ///< shown by --help-all only
};

/// A command is good for one run, because parsing changes the variables of its options. `run` owns these variables.
struct Command {
  std::string name = {}, summary = {};
  std::vector<Option> options = {};
  std::function<void()> run = {};          ///< throws Error
  std::vector<std::string> examples = {};  ///< whole command lines, shown under --help

  void add(const std::vector<Option>& more) { options.insert(options.end(), more.begin(), more.end()); }
};

/// Set by options every command has.
struct Global {
  bool json = false;  ///< print exactly one JSON object on stdout
  bool quiet = false;
  int64_t threads = 0;  ///< 0 = all cores
  int exit_code = 0;    ///< set by a command that printed its result but whose check did not pass (4)
};
/// Those of the command that runs.
Global& global();

/// Prints a finished JSON text to stdout, with a newline.
void print_json(const std::string& json);
/// Every command with its defaults, in the order of the help text. Each lives in its own cmd_*.cc as `Command make_NAME()`.
std::vector<Command> all_commands();

}  // namespace spectra::cli
