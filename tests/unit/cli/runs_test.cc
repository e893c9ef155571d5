// SPDX-License-Identifier: Apache-2.0
// Commands that run one after the other in one process, and command lines that none of them takes.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "cli/parser.h"
#include "test_data.h"
#include "unit/cli/commands.h"

namespace spectra::cli {
namespace {

/// Of a command that ends well: what it prints on stdout.
std::string output_of(const std::vector<std::string>& arguments) {
  testing::internal::CaptureStdout();
  const int code = parse_and_run(arguments);
  const std::string printed = testing::internal::GetCapturedStdout();
  EXPECT_EQ(code, 0);
  return printed;
}

nlohmann::json json_of(std::vector<std::string> arguments) {
  arguments.emplace_back("--json");
  return nlohmann::json::parse(output_of(arguments));
}

const std::vector<std::string> kTinyModel = {"init", "--hidden", "64", "--glu",   "128", "--heads",
                                             "2",    "--layers", "1",  "--vocab", "256"};

std::vector<std::string> tiny_model(const fs::path& out, const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments = kTinyModel;
  arguments.insert(arguments.end(), {"--out", out.string(), "--quiet"});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(Runs, ASecondCommandKnowsNothingOfTheFirst) {
  const test::TemporaryDirectory directory;
  const auto first = json_of(tiny_model(directory / "first", {"--family", "float", "--kv-heads", "1", "--seed", "7"}));
  EXPECT_EQ(first.at("family"), "float");
  EXPECT_EQ(output_of(tiny_model(directory / "second")), "") << "--json of the first command holds for the second";
  const auto model = json_of({"inspect", (directory / "second").string()});
  EXPECT_EQ(model.at("family"), "ternary");
  EXPECT_EQ(model.at("kv_heads"), 2);
  EXPECT_EQ(model.at("provenance").at("seed"), 1);
  set_quiet(false);
}

TEST(Runs, TheSameCommandTwiceGivesTheSame) {
  const test::TemporaryDirectory directory;
  output_of(tiny_model(directory / "model"));
  const std::string path = (directory / "model").string();
  EXPECT_EQ(output_of({"inspect", path, "--json"}), output_of({"inspect", path, "--json"}));
  set_quiet(false);
}

TEST(Runs, AnExitCodeDoesNotStay) {
  const test::TemporaryDirectory directory;
  output_of(tiny_model(directory / "model"));
  global().exit_code = static_cast<int>(Exit::kThreshold);
  output_of({"inspect", (directory / "model").string()});  // expects 0
  set_quiet(false);
}

struct Refused {
  std::vector<std::string> arguments;
  const char* says;
};

/// All are refused before anything is read: none of the files exists.
const std::vector<Refused> kRefused = {
    {{"generate", "m", "--max-tokens", "-1"}, "--max-tokens -1"},
    {{"generate", "m", "--draft-tokens", "0"}, "--draft-tokens 0"},
    {{"generate", "m", "--kv-memory", "4 apples"}, "4 apples"},
    {{"perplexity", "m"}, "either --text or --data"},
    {{"perplexity", "m", "--text", "a", "--data", "b"}, "either --text or --data"},
    {{"perplexity", "m", "--text", "a", "--tokens", "5"}, "--tokens 5"},
    {{"eval", "m", "--resume"}, "--resume without --out"},
    {{"eval", "m", "--predictor", "uniform"}, "--predictor"},
    {{"eval", "m", "--bootstrap", "1500"}, "--bootstrap 1500"},
    {{"compare", "a", "b"}, "nothing to compare"},
    {{"compare", "a", "b", "--text", "t", "--tokens", "1"}, "out of range"},
    {{"bench"}, "no model"},
    {{"bench", "m", "--train"}, "MODEL or, with --train"},
    {{"bench", "m", "--csv", "--json"}, "--csv and --json"},
    {{"bench", "m", "--runs", "0"}, "out of range"},
    {{"bench", "--train", "--size", "99M", "--hidden", "64"}, "--size and dimensions"},
    {{"serve", "m", "--port", "70000"}, "--port 70000"},
    {{"serve", "m", "--max-concurrent", "0"}, "--max-concurrent 0"},
    {{"prepare", "--out", "o"}, "either input files or --synthetic"},
    {{"prepare", "i", "--out", "o", "--synthetic", "stories"}, "either input files or --synthetic"},
    {{"prepare", "i", "--out", "o"}, "either --tokenizer or --train-tokenizer"},
    {{"prepare", "i", "--out", "o", "--tokenizer", "t", "--valid", "v", "--valid-fraction", "0.1"}, "--valid cannot be combined"},
    {{"init", "--out", "o"}, "either --size, or all of"},
    {{"init", "--out", "o", "--size", "99M", "--hidden", "64"}, "either --size, or all of"},
    {{"pack", "m"}, "--format"},
    {{"pack", "m", "--format", "2bit"}, "--out"},
    {{"quantize", "m", "--out", "o", "--bits", "5"}, "--bits 5"},
    {{"quantize", "m", "--out", "o", "--damp", "2"}, "--damp 2"},
    {{"inspect", "d", "--sequence", "0", "--seq-length", "0"}, "--seq-length"},
    {{"report", "d", "--out", "page.txt"}, "does not end in .html"},
    {{"report", "d", "--out", "page.html", "--watch", "-1"}, "--watch -1"},
    {{"analyze", "scaling"}, "needs a suite or a CSV file"},
    {{"analyze", "memory", "--bits", "1,x"}, "\"x\" is not a number"},
    {{"analyze", "dynamics", "--window", "60"}, "--window 60"},
    {{"analyze", "relative", "--windows", "0"}, "--windows 0"},
};

TEST(Runs, ContradictionsAreRefusedBeforeAnythingIsRead) {
  for (const Refused& one : kRefused) {
    testing::internal::CaptureStdout();  // --json prints the error there too
    try {
      parse_and_run(one.arguments);
      ADD_FAILURE() << one.says << ": not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::kUsage) << error.what();
      EXPECT_NE(std::string(error.what()).find(one.says), std::string::npos) << error.what();
    }
    testing::internal::GetCapturedStdout();
  }
}

TEST(Runs, UnknownCommandsAreRefusedWithTheNearest) {
  try {
    parse_and_run({"genrate"});
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kUsage);
    EXPECT_NE(error.hint().find("generate"), std::string::npos) << error.hint();
  }
}

TEST(Runs, ErrorsAreJsonWhereJsonIsAskedFor) {
  testing::internal::CaptureStdout();
  EXPECT_THROW(parse_and_run({"inspect", "nowhere", "--json"}), Error);
  const auto printed = nlohmann::json::parse(testing::internal::GetCapturedStdout());
  EXPECT_EQ(printed.at("schema"), "spectra.error/1");
  EXPECT_EQ(printed.at("code"), static_cast<int>(Exit::kBadInput));
}

}  // namespace
}  // namespace spectra::cli
