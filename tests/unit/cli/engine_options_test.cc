// SPDX-License-Identifier: Apache-2.0
// The options of an engine are the same in every command that opens one.
#include "cli/engine_options.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "unit/cli/commands.h"

namespace spectra::cli {
namespace {

const std::vector<std::string> kCommands = {"generate", "perplexity", "eval", "compare", "serve", "bench"};

Exit code_of(const EngineArguments& a) {
  try {
    a.engine();
  } catch (const Error& error) {
    return error.code();
  }
  return Exit::kOk;
}

TEST(EngineOptions, AreTheSameEverywhere) {
  EngineArguments a;
  for (const Option& one : engine_options(a, {.default_memory = "", .shown = {}}))
    for (const std::string& name : kCommands) {
      const Command command = test::command_named(name);
      const Option& there = test::option_named(command, one.name);
      EXPECT_EQ(there.help.substr(0, one.help.size()), one.help) << name;  // --kv-memory goes on with what empty means
      EXPECT_EQ(there.choices, one.choices) << name;
      if (one.name == "--activations") continue;
      EXPECT_EQ(test::value_of(there), test::value_of(one)) << name;
    }
}

TEST(EngineOptions, NoOtherCommandHasThem) {
  for (const Command& command : all_commands()) {
    const bool opens = std::count(kCommands.begin(), kCommands.end(), command.name) > 0;
    const auto has = [&](const Option& option) { return option.name == "--activations" || option.name == "--kv"; };
    EXPECT_EQ(std::count_if(command.options.begin(), command.options.end(), has), opens ? 2 : 0) << command.name;
  }
}

TEST(EngineOptions, WhatMeasuresAModelIsExactByDefault) {
  for (const std::string& name : kCommands) {
    const bool measures = name == "perplexity" || name == "eval" || name == "compare";
    EXPECT_EQ(test::value_of(test::option_named(test::command_named(name), "--activations")), measures ? "fp32" : "auto") << name;
  }
}

TEST(EngineOptions, DefaultsLeaveTheChoiceToTheModel) {
  const EngineArguments a;
  EXPECT_FALSE(a.engine().activations.has_value());
  EXPECT_FALSE(a.engine().kv_type.has_value());
  EXPECT_EQ(a.engine().kv_bytes, 0u);
  EXPECT_FALSE(a.load().int8_head);
  EXPECT_EQ(a.load().backing, Backing::kMapped);
}

TEST(EngineOptions, SayWhatTheyAreGiven) {
  EngineArguments a;
  a.activations = "bf16", a.kv = "int8", a.head = "int8", a.kv_memory = "2KiB", a.huge_pages = true;
  EXPECT_EQ(a.engine().activations, infer::ActivationType::kBf16);
  EXPECT_EQ(a.engine().kv_type, infer::KvType::kInt8);
  EXPECT_EQ(a.engine().kv_bytes, 2048u);
  EXPECT_TRUE(a.load().int8_head);
  EXPECT_EQ(a.load().backing, Backing::kHugePages);
}

TEST(EngineOptions, MemoryIsAnAmountThatIsThere) {
  EngineArguments a;
  a.kv_memory = "4 apples";
  EXPECT_EQ(code_of(a), Exit::kUsage);
  a.kv_memory = "8000000GiB";
  EXPECT_EQ(code_of(a), Exit::kRefused);
}

}  // namespace
}  // namespace spectra::cli
