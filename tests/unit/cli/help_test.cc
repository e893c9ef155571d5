// SPDX-License-Identifier: Apache-2.0
// The texts that are made from the table of commands.
#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>

#include "base/file.h"
#include "cli/help.h"
#include "cli/parser.h"
#include "unit/cli/commands.h"

namespace spectra::cli {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Lines of a help text that begin an option.
size_t options_in(const std::string& help) {
  std::istringstream lines(help.substr(0, help.find("\nexamples:")));
  size_t count = 0;
  for (std::string line; std::getline(lines, line);) count += line.size() > 2 && line.substr(0, 2) == "  " && line[2] != ' ';
  return count;
}

TEST(Help, ShowsAtMostTwentyOptions) {
  for (const Command& command : all_commands()) EXPECT_LE(options_in(command_help(command, false)), 20u) << command.name;
}

TEST(Help, HelpAllShowsEveryOption) {
  for (const Command& command : all_commands()) {
    const std::string help = command_help(command, true);
    EXPECT_EQ(options_in(help), command.options.size() + global_options().size() + 1) << help;
    EXPECT_FALSE(contains(help, "more options"));
    for (const Option& option : command.options) EXPECT_TRUE(contains(help, long_name(option))) << command.name << option.name;
  }
}

TEST(Help, IsPrintedInsteadOfRunning) {
  for (const char* flag : {"--help", "-h", "--help-all"}) {
    testing::internal::CaptureStdout();
    EXPECT_FALSE(parse(test::command_named("generate"), {flag}));
    const std::string printed = testing::internal::GetCapturedStdout();
    EXPECT_EQ(printed, command_help(test::command_named("generate"), std::string(flag) == "--help-all"));
  }
}

TEST(Help, NamesAreUnique) {
  std::set<std::string> commands;
  for (const Command& command : all_commands()) {
    EXPECT_TRUE(commands.insert(command.name).second) << command.name;
    EXPECT_FALSE(command.summary.empty());
    EXPECT_TRUE(command.run);
    EXPECT_FALSE(command.examples.empty());
    std::set<std::string> names = {"--help", "--help-all"};
    for (const Option& option : global_options()) names.insert(long_name(option));
    for (const Option& option : command.options) {
      EXPECT_TRUE(names.insert(long_name(option)).second) << command.name << " has two of " << option.name;
      EXPECT_FALSE(option.help.empty() || option.help.back() == '.') << command.name << " " << option.name;
    }
  }
}

TEST(Help, EveryCommandHasJson) {
  const std::string pages = read_file(fs::path(SPECTRA_SOURCE_DIR) / "docs/json.md");
  for (const Command& command : all_commands()) {
    EXPECT_TRUE(contains(command_help(command, false), "--json")) << command.name;
    EXPECT_TRUE(contains(pages, "\n## " + command.name + ": `spectra.") || contains(pages, "\n## " + command.name + " "))
        << "docs/json.md has no section of " << command.name;
  }
}

TEST(Help, ManPageAndCompletionHaveEveryCommandAndOption) {
  const std::string man = man_page(all_commands()), completion = bash_completion(all_commands());
  const std::string seen = overview(all_commands());
  for (const Command& command : all_commands()) {
    EXPECT_TRUE(contains(seen, "  " + command.name + " "));
    EXPECT_TRUE(contains(man, ".SS " + command.name + "\n"));
    const size_t begin = completion.find("    " + command.name + ") options=");
    ASSERT_NE(begin, std::string::npos) << command.name;
    const std::string line = completion.substr(begin, completion.find('\n', begin) - begin);
    for (const Option& option : command.options) {
      if (!is_positional(option)) {
        EXPECT_TRUE(contains(line, " " + long_name(option))) << command.name << " " << option.name;
      }
      std::string escaped;
      for (const char c : option.name) escaped += c == '-' ? std::string("\\-") : std::string(1, c);
      EXPECT_TRUE(contains(man, ".B " + escaped)) << option.name;
    }
  }
}

}  // namespace
}  // namespace spectra::cli
