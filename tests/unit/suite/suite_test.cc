// SPDX-License-Identifier: Apache-2.0
#include "suite/suite.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "suite_example.h"

namespace spectra::suite {
namespace {

/// What the user is told of a suite file.
std::string complaint(const std::string& toml, const std::vector<std::string>& settings = {}) {
  try {
    parse_suite(toml, "s.toml", settings);
  } catch (const Error& error) {
    return fmt::format("{} {} | {}", static_cast<int>(error.code()), error.what(), error.hint());
  }
  return "accepted";
}

std::string value_of(const Settings& settings, const std::string& key) {
  std::string value;
  for (const Setting& setting : settings)
    if (setting.key == key) value = setting.value;
  return value;
}

TEST(Suite, ReadsWhatTheFileSays) {
  const Suite suite = parse_suite(example(), "s.toml");
  EXPECT_EQ(suite.name, "tiny");
  EXPECT_EQ(suite.title, "tiny");
  EXPECT_EQ(suite.families, (std::vector<std::string>{"float", "ternary"}));
  ASSERT_EQ(suite.sizes.size(), 2u);
  EXPECT_EQ(suite.sizes[1].name, "large");
  EXPECT_EQ(suite.quantize.bits, (std::vector<int64_t>{8, 4}));
  EXPECT_EQ(suite.arms.at(0).seeds, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(suite.data.stories, 300);
}

TEST(Suite, LaterSettingsWin) {
  const Suite suite = parse_suite(example(), "s.toml");
  const Settings plain = run_settings(suite, "ternary", suite.sizes[0], 3, nullptr, false);
  EXPECT_EQ(value_of(plain, "model.family"), "ternary");
  EXPECT_EQ(value_of(plain, "train.seed"), "3");
  EXPECT_EQ(value_of(plain, "train.tokens"), "4096");
  EXPECT_EQ(value_of(plain, "schedule.lr"), "0.02");
  EXPECT_EQ(value_of(plain, "schedule.warmup"), "10%");  // of the family, over the suite's
  EXPECT_EQ(value_of(run_settings(suite, "float", suite.sizes[0], 3, nullptr, false), "schedule.warmup"), "5%");
  EXPECT_EQ(value_of(run_settings(suite, "float", suite.sizes[0], 3, nullptr, true), "train.tokens"), "2048");
  EXPECT_EQ(value_of(run_settings(suite, "ternary", suite.sizes[0], 1, &suite.arms[0], false), "schedule.lr_drop_at"), "1");
}

TEST(Suite, SettingsOfTheCommandLineWin) {
  const Suite suite =
      parse_suite(example(), "s.toml", {"train.tokens=9000", "data.text=a.txt", "data.valid=[\"b.txt\", \"c.txt\"]"});
  EXPECT_EQ(value_of(suite.settings, "train.tokens"), "9000");
  EXPECT_EQ(suite.data.text, std::vector<std::string>{"a.txt"});
  EXPECT_EQ(suite.data.valid.size(), 2u);
  EXPECT_TRUE(suite.data.synthetic.empty());
  EXPECT_NE(suite.sha256, parse_suite(example(), "s.toml").sha256);
  EXPECT_NE(complaint(example(), {"train.tokens"}).find("2 --set train.tokens"), std::string::npos);
  EXPECT_NE(complaint(example(), {"train.tokenz=5"}).find("--set: unknown key train.tokenz | did you mean train.tokens?"),
            std::string::npos);
}

TEST(Suite, MistakesAreToldWithLineAndWayOut) {
  const struct {
    const char *line, *instead, *place, *says;
  } cases[] = {
      {"families", "famileis = [\"float\"] #", ":2: unknown key famileis", "did you mean families?"},
      {"families", "families = [\"flaot\"] #", ":2: families = \"flaot\"", "float, ternary, binary"},
      {"families", "families = [\"float\", \"float\"] #", ":2: families", "each one once"},
      {"seeds = [1]", "seeds = [-1]", ":3: seeds = -1", "from 0"},
      {"synthetic", "synthetic = \"poems\" #", ": data.synthetic = \"poems\"", "stories"},
      {"vocabulary", "vocabulary = 12 #", ": data.vocabulary = 12", "from 257"},
      {"hidden = 16", "hidden = \"wide\"", ": model.hidden = wide", "a whole number"},
      {"hidden = 16", "hiden = 16", ": unknown key size.hiden", "did you mean size.hidden?"},
      {"tokens = 4096", "tokens = 0", ": train.tokens = 0", "from 1"},
      {"tokens = 4096", "tokns = 4096", ": unknown key train.tokns", "did you mean train.tokens?"},
      {"tokens = 4096", "seed = 4", ": train.seed cannot be set here", "seeds"},
      {"bits = [8, 4]", "bits = [5]", ": quantize.bits", "3, 4, 6, 8"},
      {"family = \"ternary\"", "family = \"binnary\"", ": arm.family = \"binnary\"", "binary"},
      {"sizes = [\"small\"] # arm", "sizes = [\"huge\"]", ": arm.sizes = \"huge\"", "small, large"},
      {"schedule.lr_drop_at = 1", "", "does nothing otherwise", "set keys of a recipe"},
      {"name = \"large\"", "name = \"small\"", "two sizes named \"small\"", "name of its own"},
      {"name = \"large\"", "name = \"../up\"", "\"../up\" is not allowed", "file names"},
      {"warmup = \"5%\"", "warmup = \"5%", ":", "a suite is a TOML file"},
  };
  for (const auto& c : cases) {
    std::string toml = example();
    const size_t at = toml.find(c.line);
    ASSERT_NE(at, std::string::npos) << c.line;
    toml.replace(at, std::string(c.line).size(), c.instead);
    const std::string told = complaint(toml);
    EXPECT_EQ(told.rfind("3 s.toml", 0), 0u) << told;
    EXPECT_NE(told.find(c.place), std::string::npos) << told;
    EXPECT_NE(told.find(c.says), std::string::npos) << told;
  }
}

TEST(Suite, DataIsOneOfThree) {
  EXPECT_NE(complaint("name = \"a\"\n").find("[data] is missing"), std::string::npos);
  EXPECT_NE(complaint("name = \"a\"\n[data]\nvocabulary = 300\n").find("one of synthetic, text and path"), std::string::npos);
  EXPECT_NE(complaint("name = \"a\"\n[data]\ntext = \"a\"\nvocabulary = 300\n").find("valid or valid_fraction"), std::string::npos);
  EXPECT_NE(complaint("name = \"a\"\n[data]\nsynthetic = \"stories\"\n").find("vocabulary or tokenizer"), std::string::npos);
  EXPECT_NE(complaint("name = \"a\"\n[data]\npath = \"x\"\n").find("no [[size]]"), std::string::npos);
}

}  // namespace
}  // namespace spectra::suite
