// SPDX-License-Identifier: Apache-2.0
#pragma once
// Commands and the values of their options, for the tests.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "cli/command.h"
#include "cli/help.h"

namespace spectra::test {

/// A fresh command, with its defaults.
inline cli::Command command_named(const std::string& name) {
  for (const cli::Command& command : cli::all_commands())
    if (command.name == name) return command;
  ADD_FAILURE() << "no command " << name;
  return {};
}

inline const cli::Option& option_named(const cli::Command& command, const std::string& name) {
  const auto found = std::find_if(command.options.begin(), command.options.end(),
                                  [&](const cli::Option& option) { return cli::long_name(option) == name; });
  if (found != command.options.end()) return *found;
  ADD_FAILURE() << "spectra " << command.name << " has no " << name;
  static const cli::Option none;
  return none;
}

/// The value of its variable, as it would be typed; several with commas between them.
inline std::string value_of(const cli::Option& option) {
  struct Visitor {
    std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
    std::string operator()(const int64_t* value) const { return std::to_string(*value); }
    std::string operator()(const double* value) const { return std::to_string(*value); }
    std::string operator()(const std::string* value) const { return *value; }
    std::string operator()(const std::vector<std::string>* value) const {
      std::string all;
      for (const std::string& one : *value) all += (all.empty() ? "" : ",") + one;
      return all;
    }
  };
  return std::visit(Visitor{}, option.target);
}

/// Of every option and positional argument, by its longest name.
inline std::map<std::string, std::string> values_of(const cli::Command& command) {
  std::map<std::string, std::string> values;
  for (const cli::Option& option : command.options) values[cli::long_name(option)] = value_of(option);
  return values;
}

}  // namespace spectra::test
