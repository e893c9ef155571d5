// SPDX-License-Identifier: Apache-2.0
#include "train/recipe.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "test_data.h"

namespace spectra::train {
namespace {

constexpr const char* kMinimal = R"(
[model]
family = "ternary"
hidden = 256
glu = 640
heads = 4
layers = 8
[data]
path = "data/books"
[train]
tokens = 6_000_000
)";

Recipe parse(const std::string& extra = "", const std::vector<std::string>& settings = {}) {
  return parse_recipe(kMinimal + extra, "run.toml", settings);
}

/// Message and hint of the Error that parsing ends with.
std::string refusal(const std::string& toml, const std::vector<std::string>& settings = {}) {
  try {
    parse_recipe(toml, "run.toml", settings);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    return std::string(error.what()) + " | " + error.hint();
  }
  return "accepted";
}

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(Recipe, DefaultsBelow99MAreThoseOf99M) {
  const Recipe ternary = parse();
  EXPECT_EQ(ternary.tokens, 6'000'000);
  EXPECT_EQ(ternary.batch_tokens, 16'384);
  EXPECT_EQ(ternary.sequence, 256);
  EXPECT_EQ(ternary.micro_batch, 16);
  EXPECT_EQ(ternary.kv_heads, 4);
  EXPECT_EQ(ternary.lr, 2.4e-3);
  EXPECT_EQ(ternary.lr_second, 1.5e-3);
  EXPECT_EQ(ternary.lr_min, 0);
  EXPECT_EQ(ternary.decay, "linear");
  EXPECT_EQ(ternary.lr_drop_at, 0.5);
  EXPECT_EQ(ternary.decay_off_at, 0.667);
  EXPECT_EQ(ternary.warmup_tokens(), 60'000);
  EXPECT_EQ(ternary.steps(), 367);  // 366.2, rounded up

  const Recipe real = parse("", {"model.family=float"});
  EXPECT_EQ(real.lr, 4.0e-4);
  EXPECT_EQ(real.lr_second, 4.0e-4);
  EXPECT_DOUBLE_EQ(real.lr_min, 4.0e-5);
  EXPECT_EQ(real.decay, "cosine");
  EXPECT_EQ(real.decay_off_at, 1);
}

TEST(Recipe, DefaultsFollowThePapersTable) {
  const struct {
    const char* size;
    double float_lr, lr, lr_second;
  } rows[] = {{"99M", 4e-4, 2.4e-3, 1.5e-3},
              {"390M", 3e-4, 1.8e-3, 1.2e-3},
              {"1.1B", 2.2e-4, 1.3e-3, 9e-4},
              {"3.9B", 1.5e-4, 1.2e-3, 8e-4}};
  const std::string rest = "[data]\npath = \"d\"\n[train]\ntokens = 300_000_000_000\n";
  for (const auto& row : rows) {
    const Recipe binary = parse_recipe(fmt::format("[model]\nsize = \"{}\"\nfamily = \"binary\"\n{}", row.size, rest), "r");
    EXPECT_EQ(binary.lr, row.lr) << row.size;
    EXPECT_EQ(binary.lr_second, row.lr_second) << row.size;
    EXPECT_EQ(binary.batch_tokens, 1'048'576);
    EXPECT_EQ(binary.sequence, 2048);
    const Recipe real = parse_recipe(fmt::format("[model]\nsize = \"{}\"\nfamily = \"float\"\n{}", row.size, rest), "r");
    EXPECT_EQ(real.lr, row.float_lr) << row.size;
    EXPECT_EQ(real.batch_tokens, 2'097'152);
  }
  const Recipe largest = parse_recipe("[model]\nsize = \"3.9B\"\nfamily = \"ternary\"\n" + rest, "r");
  EXPECT_EQ(largest.shards, 6);
  EXPECT_EQ(largest.hidden, 3072);
}

constexpr const char* kTwoSources = R"(
[model]
family = "float"
hidden = 64
glu = 128
heads = 2
layers = 1
[[data.source]]
path = "data/web"
weight = 3
[[data.source]]
path = "data/\"code\""
weight = 0.5
[train]
tokens = 100_000
)";

TEST(Recipe, SourcesAreReadWrittenAndHashed) {
  const Recipe recipe = parse_recipe(kTwoSources, "run.toml");
  ASSERT_EQ(recipe.sources.size(), 2u);
  EXPECT_EQ(recipe.sources[0].path, "data/web");
  EXPECT_EQ(recipe.sources[1].path, "data/\"code\"");
  EXPECT_EQ(recipe.sources[1].weight, 0.5);
  EXPECT_TRUE(recipe.data.empty());
  const std::string text = recipe_to_toml(recipe);
  const Recipe again = parse_recipe(text, "again.toml");
  EXPECT_EQ(recipe_to_toml(again), text);
  EXPECT_EQ(recipe_sha256(again), recipe_sha256(recipe));
  EXPECT_CONTAINS(recipe_to_toml(recipe, true), "# run.toml:8");
  EXPECT_CONTAINS(recipe_to_json(recipe), "\"data.source\":{\"value\":[{\"path\":\"data/web\",\"weight\":3.0}");

  // Weights decide the weights of the model, paths and the scale of weights do not.
  Recipe moved = recipe, scaled = recipe, other = recipe;
  moved.sources[0].path = "elsewhere";
  for (DataSource& source : scaled.sources) source.weight *= 8;
  other.sources[1].weight = 3;
  for (const Recipe& same : {moved, scaled}) {
    EXPECT_EQ(recipe_sha256(same), recipe_sha256(recipe));
    EXPECT_TRUE(recipe_differences(same, recipe).empty());
  }
  EXPECT_NE(recipe_sha256(other), recipe_sha256(recipe));
  ASSERT_EQ(recipe_differences(other, recipe).size(), 1u);
  EXPECT_CONTAINS(recipe_differences(other, recipe)[0], "data.source (shares 0.5, 0.5, was 0.857");

  Recipe path = recipe, source = recipe;  // one source is the same as data.path
  path.sources.clear();
  path.data = "d";
  source.sources.pop_back();
  EXPECT_EQ(recipe_sha256(path), recipe_sha256(source));
}

TEST(Recipe, SourcesThatMakeNoSenseAreRefused) {
  EXPECT_CONTAINS(refusal(kTwoSources, {"data.path=data/books"}),
                  "data.path (--set) and [[data.source]] (run.toml:8) are both given");
  const auto source = [](const std::string& lines) { return refusal(std::string(kMinimal) + "[[data.source]]\n" + lines); };
  EXPECT_CONTAINS(source("path = \"d\"\n"), "run.toml:12: data.source lacks weight");
  EXPECT_CONTAINS(source("weight = 1\n"), "lacks path");
  EXPECT_CONTAINS(source("path = \"d\"\nweight = 0\n"), "run.toml:14: data.source.weight = 0");
  EXPECT_CONTAINS(source("path = \"d\"\nweight = nan\n"), "data.source.weight");
  EXPECT_CONTAINS(source("path = \"d\"\nwieght = 1\n"), "data.source.wieght is unknown");
  EXPECT_CONTAINS(source("path = 3\nweight = 1\n"), "data.source.path is unknown or of the wrong type");
  EXPECT_CONTAINS(refusal(std::string(kMinimal) + "[data.source]\npath = \"d\"\n"), "data.source");
}

TEST(Recipe, ASweepOfThePeakKeepsThePapersRatio) {
  EXPECT_DOUBLE_EQ(parse("[schedule]\nlr = 4.8e-3\n").lr_second, 3.0e-3);
  EXPECT_DOUBLE_EQ(parse("[schedule]\nlr = 4.8e-3\nlr_second = 1e-3\n").lr_second, 1e-3);
}

TEST(Recipe, UnknownKeysAreRefusedWithTheNearest) {
  EXPECT_CONTAINS(refusal(std::string(kMinimal) + "seeed = 1\n"), "train.seeed | did you mean train.seed?");
  EXPECT_CONTAINS(refusal(std::string(kMinimal) + "seeed = 1\n"), "run.toml:12");
  EXPECT_CONTAINS(refusal(std::string(kMinimal) + "[scheduel]\nwarmup = 5\n"), "did you mean schedule.warmup?");
  EXPECT_CONTAINS(refusal(std::string(kMinimal) + "[model.schedule]\n"), "unknown key model.schedule");
  EXPECT_CONTAINS(refusal(kMinimal, {"schedule.lr_secnd=1"}), "did you mean schedule.lr_second?");
  EXPECT_CONTAINS(refusal(kMinimal, {"model.lr=1"}), "did you mean schedule.lr?");
  EXPECT_CONTAINS(refusal("[model]\nfamly = \"ternary\"\n"), "did you mean model.family?");
}

TEST(Recipe, ValuesOutOfRangeAreRefusedWithTheRange) {
  const std::string beta = refusal(std::string(kMinimal) + "[optimizer]\nbeta2 = 1.5\n");
  EXPECT_CONTAINS(beta, "run.toml:13: optimizer.beta2 = 1.5");
  EXPECT_CONTAINS(beta, "a number from 0 to 0.9999999");
  EXPECT_CONTAINS(refusal(kMinimal, {"train.sequence=1"}), "a whole number from 2");
  EXPECT_CONTAINS(refusal(kMinimal, {"train.sequence=2.5"}), "train.sequence = 2.5");
  EXPECT_CONTAINS(refusal(kMinimal, {"train.seed=-1"}), "train.seed = -1");
  EXPECT_CONTAINS(refusal(kMinimal, {"schedule.lr=nan"}), "schedule.lr = nan");
  EXPECT_CONTAINS(refusal(kMinimal, {"model.family=quaternary"}), "one of float, ternary, binary");
  EXPECT_CONTAINS(refusal(kMinimal, {"model.tied=yes"}), "true or false");
  EXPECT_CONTAINS(refusal(kMinimal, {"schedule.warmup=200%"}), "schedule.warmup = 200%");
  EXPECT_CONTAINS(refusal(kMinimal, {"schedule.warmup=7_000_000"}), "longer than the run");
  EXPECT_CONTAINS(refusal(std::string(kMinimal) + "seed = [1]\n"), "train.seed is not a single value");
  EXPECT_CONTAINS(refusal(kMinimal, {"train.batch_tokens=1000"}), "the nearest that is: 1024");
  EXPECT_CONTAINS(refusal(kMinimal, {"train.micro_batch=3"}), "does not divide the 64 sequences");
  EXPECT_CONTAINS(refusal("[model\n"), "run.toml:1");
}

TEST(Recipe, DimensionsThatDoNotFitAreRefused) {
  EXPECT_CONTAINS(refusal(kMinimal, {"model.shards=6"}), "not divisible by shards 6");
  EXPECT_CONTAINS(refusal(kMinimal, {"model.heads=5"}), "not divisible by heads 5");
  EXPECT_CONTAINS(refusal(kMinimal, {"model.size=99M"}), "contradicts model.size");
  EXPECT_CONTAINS(refusal(kMinimal, {"model.size=100M"}), "100M");
  EXPECT_CONTAINS(refusal("[model]\nfamily = \"float\"\n[data]\npath = \"d\"\n[train]\ntokens = 1\n"), "model.hidden is missing");
  EXPECT_CONTAINS(refusal("[model]\nsize = \"99M\"\nfamily = \"float\"\n[data]\npath = \"d\"\n"), "train.tokens is missing");
}

TEST(Recipe, CountsMayHaveUnderscoresAndExponents) {
  const Recipe recipe = parse("", {"train.tokens=1e6", "schedule.warmup=16_384", "train.seed=1_0"});
  EXPECT_EQ(recipe.tokens, 1'000'000);
  EXPECT_EQ(recipe.warmup_tokens(), 16'384);
  EXPECT_EQ(recipe.seed, 10);
  EXPECT_EQ(parse("[schedule]\nwarmup = 1000\n").warmup_tokens(), 1000);
  EXPECT_EQ(parse("", {"schedule.warmup=0.5%"}).warmup_tokens(), 30'000);
}

TEST(Recipe, LaterSourcesWinAndAreNamed) {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "run.toml") << kMinimal << "seed = 2\nsequence = 128\nbatch_tokens = 8192\n";
  setenv("SPECTRA_TRAIN__SEED", "3", 1);
  setenv("SPECTRA_TRAIN__SEQUENCE", "64", 1);
  const Recipe recipe = load_recipe(directory / "run.toml", {"train.seed=4"});
  unsetenv("SPECTRA_TRAIN__SEED");
  unsetenv("SPECTRA_TRAIN__SEQUENCE");
  EXPECT_EQ(recipe.seed, 4);
  EXPECT_EQ(recipe.sequence, 64);
  EXPECT_EQ(recipe.batch_tokens, 8192);
  EXPECT_EQ(recipe.origins.at("train.seed"), "--set");
  EXPECT_EQ(recipe.origins.at("train.sequence"), "SPECTRA_TRAIN__SEQUENCE");
  EXPECT_CONTAINS(recipe.origins.at("train.batch_tokens"), "run.toml:14");
  const std::string shown = recipe_to_toml(recipe, true);
  EXPECT_CONTAINS(shown, "seed = 4");
  EXPECT_CONTAINS(shown, "# SPECTRA_TRAIN__SEQUENCE");
  EXPECT_CONTAINS(shown, "# default");
}

TEST(Recipe, AMisspeltVariableIsRefused) {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "run.toml") << kMinimal;
  setenv("SPECTRA_TRAIN__SEDE", "3", 1);
  setenv("SPECTRA_SERVER__PORT", "80", 1);  // another command's
  EXPECT_THROW(load_recipe(directory / "run.toml"), Error);
  unsetenv("SPECTRA_TRAIN__SEDE");
  EXPECT_NO_THROW(load_recipe(directory / "run.toml"));
  unsetenv("SPECTRA_SERVER__PORT");
}

TEST(Recipe, TheResolvedRecipeReadsBackTheSame) {
  for (const char* family : {"float", "ternary", "binary"}) {
    const Recipe recipe =
        parse("", {std::string("model.family=") + family, "schedule.lr=0.00123", "data.path=a\\b \"c\"", "train.seed=7"});
    const Recipe again = parse_recipe(recipe_to_toml(recipe), "recipe.toml");
    EXPECT_EQ(recipe_to_toml(again), recipe_to_toml(recipe));
    EXPECT_EQ(again.data, "a\\b \"c\"");
    EXPECT_TRUE(recipe_differences(again, recipe).empty());
    EXPECT_EQ(recipe_sha256(again), recipe_sha256(recipe));
  }
  const Recipe sized =
      parse_recipe("[model]\nsize = \"1.1B\"\nfamily = \"ternary\"\n[data]\npath = \"d\"\n[train]\ntokens = 1e9\n", "r");
  EXPECT_EQ(recipe_to_toml(parse_recipe(recipe_to_toml(sized), "again")), recipe_to_toml(sized));
}

TEST(Recipe, OnlySettingsThatLeaveTheWeightsAloneMayChange) {
  const Recipe before = parse();
  EXPECT_TRUE(recipe_differences(parse("", {"checkpoint.every=7", "validation.tokens=9", "data.path=elsewhere"}), before).empty());
  const auto differences = recipe_differences(parse("", {"train.seed=9", "optimizer.clip=2"}), before);
  ASSERT_EQ(differences.size(), 2u);
  EXPECT_EQ(differences[0], "train.seed (9, was 1)");
  EXPECT_EQ(differences[1], "optimizer.clip (2, was 1)");
}

TEST(Recipe, TheReferencePageIsTheTable) {
  const fs::path page = fs::path(SPECTRA_SOURCE_DIR) / "docs/recipe.md";
  if (std::getenv("SPECTRA_UPDATE_GOLDEN") != nullptr) write_file(page, recipe_reference());
  EXPECT_EQ(read_file(page), recipe_reference()) << "make it anew: SPECTRA_UPDATE_GOLDEN=1 ctest -R TheReferencePageIsTheTable";
}

}  // namespace
}  // namespace spectra::train
