// SPDX-License-Identifier: Apache-2.0
// What the parser makes of the options of every command.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/parser.h"
#include "unit/cli/commands.h"

namespace spectra::cli {
namespace {

using test::command_named;
using test::value_of;
using test::values_of;

/// A value that is allowed and not the default.
std::string other_value(const Option& option) {
  for (const std::string& choice : option.choices)
    if (choice != value_of(option)) return choice;
  if (!option.choices.empty()) return option.choices.front();
  if (std::holds_alternative<int64_t*>(option.target)) return "7777";
  if (std::holds_alternative<double*>(option.target)) return "0.125000";
  return "something";
}

/// What must be given, and `option`.
std::map<std::string, std::string> wanted_with(const Command& command, const Option& option) {
  std::map<std::string, std::string> wanted;
  for (const Option& one : command.options)
    if (one.required || &one == &option) wanted[long_name(one)] = other_value(one);
  return wanted;
}

std::vector<std::string> arguments_for(const Command& command, const std::map<std::string, std::string>& wanted) {
  std::vector<std::string> arguments;
  for (const Option& one : command.options) {
    const auto found = wanted.find(long_name(one));
    if (found == wanted.end()) continue;
    if (!is_positional(one)) arguments.push_back(found->first);
    if (!std::holds_alternative<bool*>(one.target)) arguments.push_back(found->second);
  }
  return arguments;
}

Exit code_of(const std::function<void()>& body, std::string* message = nullptr, std::string* hint = nullptr) {
  try {
    body();
  } catch (const Error& error) {
    if (message != nullptr) *message = error.what();
    if (hint != nullptr) *hint = error.hint();
    return error.code();
  }
  return Exit::kOk;
}

TEST(Options, EachSetsItsOwnVariableAndNoOther) {
  for (const Command& known : all_commands())
    for (size_t i = 0; i < known.options.size(); ++i) {
      const Command command = command_named(known.name);
      const auto wanted = wanted_with(command, command.options[i]);
      auto expected = values_of(command);
      for (const auto& [name, value] : wanted)
        expected[name] = std::holds_alternative<bool*>(test::option_named(command, name).target) ? "true" : value;
      ASSERT_TRUE(parse(command, arguments_for(command, wanted)));
      EXPECT_EQ(values_of(command), expected) << known.name << " " << known.options[i].name;
    }
}

TEST(Options, DefaultsReturnWithTheNextCommand) {
  for (const Command& first : all_commands()) {
    const auto defaults = values_of(command_named(first.name));
    std::map<std::string, std::string> wanted;
    for (const Option& option : first.options) wanted[long_name(option)] = other_value(option);
    ASSERT_TRUE(parse(first, arguments_for(first, wanted)));
    EXPECT_EQ(values_of(first) == defaults, wanted.empty()) << first.name;
    EXPECT_EQ(values_of(command_named(first.name)), defaults) << first.name;
  }
}

TEST(Options, UnknownOnesAreRefusedWithTheNearest) {
  for (const Command& command : all_commands()) {
    std::string message, hint;
    EXPECT_EQ(code_of([&] { parse(command, {"--jsno"}); }, &message, &hint), Exit::kUsage) << command.name;
    EXPECT_NE(message.find("--jsno"), std::string::npos) << message;
    EXPECT_NE(hint.find("--json"), std::string::npos) << hint;
  }
}

TEST(Options, WrongValuesAreRefused) {
  size_t refused = 0;
  for (const Command& known : all_commands())
    for (const Option& option : known.options) {
      const bool number = std::holds_alternative<int64_t*>(option.target) || std::holds_alternative<double*>(option.target);
      if (!number && option.choices.empty()) continue;
      auto wanted = wanted_with(known, option);
      wanted[long_name(option)] = "nonsense";
      EXPECT_EQ(code_of([&] { parse(command_named(known.name), arguments_for(known, wanted)); }), Exit::kUsage)
          << known.name << " " << option.name;
      ++refused;
    }
  EXPECT_GT(refused, 50u);
}

TEST(Options, RequiredOnesAreAskedFor) {
  for (const Command& known : all_commands())
    for (const Option& option : known.options) {
      if (!option.required) continue;
      auto wanted = wanted_with(known, option);
      wanted.erase(long_name(option));
      // Positional arguments are told apart by their order alone: where the first is missing, the last is asked for.
      EXPECT_EQ(code_of([&] { parse(command_named(known.name), arguments_for(known, wanted)); }), Exit::kUsage)
          << known.name << " " << option.name;
    }
}

TEST(Options, TrainingTakesADevice) {
  const Command command = command_named("train");
  ASSERT_TRUE(parse(command, {"recipe.toml", "--device", "cpu"}));
  EXPECT_EQ(value_of(test::option_named(command, "--device")), "cpu");
}

TEST(Options, ThreadsHaveALimit) {
  for (const char* threads : {"-1", "4097"})
    EXPECT_EQ(code_of([&] { parse(command_named("doctor"), {"--threads", threads}); }), Exit::kUsage);
  EXPECT_TRUE(parse(command_named("doctor"), {"--threads", "4096"}));
  EXPECT_EQ(global().threads, 4096);
  global() = {};
}

}  // namespace
}  // namespace spectra::cli
