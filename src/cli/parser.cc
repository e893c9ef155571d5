// SPDX-License-Identifier: Apache-2.0
// The only file that includes CLI11: it is slow to compile.
#include "cli/parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/parallel.h"
#include "base/version.h"
#include "cli/help.h"
#include "cli/usage.h"

namespace spectra::cli {
namespace {

void add_option(CLI::App& app, const Option& option) {
  struct Visitor {
    CLI::App& app;
    const Option& option;
    CLI::Option* operator()(bool* target) const { return app.add_flag(option.name, *target); }
    CLI::Option* operator()(int64_t* target) const { return app.add_option(option.name, *target); }
    CLI::Option* operator()(double* target) const { return app.add_option(option.name, *target); }
    CLI::Option* operator()(std::string* target) const { return app.add_option(option.name, *target); }
    CLI::Option* operator()(std::vector<std::string>* target) const { return app.add_option(option.name, *target); }
  };
  CLI::Option* added = std::visit(Visitor{app, option}, option.target);
  if (!option.choices.empty()) added->check(CLI::IsMember(option.choices));
  // An option that may be given several times takes one value each time: otherwise it would swallow the positional arguments after
  // it.
  if (std::holds_alternative<std::vector<std::string>*>(option.target) && !is_positional(option)) added->allow_extra_args(false);
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

[[noreturn]] void unknown_option(const Command& command, const std::string& seen) {
  std::vector<std::string> names = {"--help", "--help-all"};
  for (const Option& option : command.options)
    if (!is_positional(option)) names.push_back(long_name(option));
  for (const Option& option : global_options()) names.push_back(long_name(option));
  const std::string near = nearest(seen, names);
  throw Error(
      Exit::kUsage, fmt::format("spectra {}: unknown argument {}", command.name, seen),
      near.empty() ? fmt::format("`spectra {} --help` lists the options", command.name) : fmt::format("did you mean {}?", near));
}

/// Throws Error unless every required option was given; CLI11's own check would come before --help.
void check_required(const CLI::App& app, const Command& command) {
  for (const Option& option : command.options)
    if (option.required && app.get_option(is_positional(option) ? option.name : long_name(option))->count() == 0)
      throw Error(Exit::kUsage, fmt::format("spectra {} needs {}", command.name, long_name(option)),
                  fmt::format("`spectra {} --help` explains it", command.name));
}

/// Adds the options of the command, those of every command, and --help.
struct HelpFlags {
  bool help = false, all = false;
};
void add_options(CLI::App& app, const Command& command, HelpFlags& flags) {
  app.set_help_flag();
  app.add_flag("--help,-h", flags.help);
  app.add_flag("--help-all", flags.all);
  app.allow_extras();
  for (const Option& option : command.options) add_option(app, option);
  for (const Option& option : global_options()) add_option(app, option);
}

void print_error_as_json(const Error& error) {
  const nlohmann::ordered_json json = {
      {"schema", "spectra.error/1"}, {"code", static_cast<int>(error.code())}, {"message", error.what()}, {"hint", error.hint()}};
  print_json(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

int run_command(const Command& command, const std::vector<std::string>& arguments) {
  global() = {};
  // --json counts even where the rest cannot be parsed, for errors are JSON then too.
  global().json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
  try {
    if (!parse(command, arguments)) return 0;
    set_quiet(global().quiet);
    set_compute_threads(static_cast<int>(global().threads));
    command.run();
    return global().exit_code;
  } catch (const Error& error) {
    if (global().json) print_error_as_json(error);
    throw;
  }
}

}  // namespace

bool parse(const Command& command, std::vector<std::string> arguments) {
  HelpFlags flags;
  CLI::App app{command.summary};
  add_options(app, command, flags);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them last first
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    throw Error(Exit::kUsage, fmt::format("spectra {}: {}", command.name, error.what()),
                fmt::format("`spectra {} --help` explains the options", command.name));
  }
  if (flags.help || flags.all) {
    print(command_help(command, flags.all));
    return false;
  }
  if (const auto rest = app.remaining(); !rest.empty()) unknown_option(command, rest.front());
  check_required(app, command);
  require_in_range(global().threads >= 0 && global().threads <= 4096, fmt::format("--threads {}", global().threads),
                   "0 (all cores) to 4096");
  return true;
}

int parse_and_run(std::vector<std::string> arguments) {
  const std::vector<Command> commands = all_commands();
  if (arguments.empty()) {
    std::fputs(overview(commands).c_str(), stderr);
    return static_cast<int>(Exit::kUsage);
  }
  const std::string name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") return print(overview(commands)), 0;
  if (name == "--version") return print(fmt::format("spectra {}\n", tool_version())), 0;
  if (name == "--man") return print(man_page(commands)), 0;
  if (name == "--completion") return print(bash_completion(commands)), 0;
  std::vector<std::string> names;
  for (const Command& command : commands) {
    names.push_back(command.name);
    if (command.name != name) continue;
    arguments.erase(arguments.begin());
    return run_command(command, arguments);
  }
  const std::string near = nearest(name, names);
  throw Error(Exit::kUsage, fmt::format("unknown command {}", name),
              near.empty() ? "`spectra --help` lists the commands" : fmt::format("did you mean {}?", near));
}

}  // namespace spectra::cli
