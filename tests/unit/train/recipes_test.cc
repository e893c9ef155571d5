// SPDX-License-Identifier: Apache-2.0
// The 27 recipes of the paper's suite against its tables, typed here from the paper, and their headers against the plan.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "test_data.h"
#include "train/plan.h"
#include "train/recipe.h"
#include "train/schedule.h"

namespace spectra::train {
namespace {

/// Table of the suite's README; peaks of table 3. `vocab`: 50277 entries rounded up to 128 * MP.
struct Row {
  const char* size;
  int64_t hidden, glu, heads, layers, mp, vocab;
  double float_lr, tri_lr, tri_lr_second;
  int64_t linear;  ///< parameters
};
constexpr Row kRows[] = {
    {"99M", 512, 1280, 8, 16, 1, 50304, 4.0e-4, 2.4e-3, 1.5e-3, 48'234'496},
    {"190M", 768, 2048, 12, 16, 1, 50304, 4.0e-4, 2.4e-3, 1.5e-3, 113'246'208},
    {"390M", 1024, 2560, 16, 24, 1, 50304, 3.0e-4, 1.8e-3, 1.2e-3, 289'406'976},
    {"560M", 1280, 3072, 20, 24, 1, 50304, 2.8e-4, 1.6e-3, 1.1e-3, 440'401'920},
    {"830M", 1536, 4096, 24, 24, 1, 50304, 2.5e-4, 1.5e-3, 1.0e-3, 679'477'248},
    {"1.1B", 1792, 5120, 28, 24, 2, 50432, 2.2e-4, 1.3e-3, 9.0e-4, 968'884'224},
    {"1.5B", 2048, 6144, 32, 24, 2, 50432, 2.0e-4, 1.2e-3, 8.0e-4, 1'308'622'848},
    {"2.4B", 2304, 7680, 36, 30, 3, 50304, 2.0e-4, 1.2e-3, 8.0e-4, 2'229'534'720},
    {"3.9B", 3072, 9216, 24, 30, 6, 50688, 1.5e-4, 1.2e-3, 8.0e-4, 3'680'501'760},
};
constexpr struct {
  const char* name;
  const char* family;
} kFamilies[] = {{"FloatLM", "float"}, {"TriLM", "ternary"}, {"BiLM", "binary"}};
constexpr int64_t kEntries = 50'277;  // of the GPT-NeoX tokenizer

std::string text_of(const std::string& name, const Row& row) {
  std::string file = fmt::format("{}-{}.toml", name, row.size);
  std::transform(file.begin(), file.end(), file.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return read_file(fs::path(SPECTRA_SOURCE_DIR) / "recipes" / file);
}

std::string count(int64_t n) {
  const auto value = static_cast<double>(n);
  return n >= 1'000'000'000 ? fmt::format("{:.3g}B", value / 1e9) : fmt::format("{:.3g}M", value / 1e6);
}

std::string duration(double seconds) {
  constexpr double kDay = 86400, kYear = 365.25 * kDay;
  if (seconds >= kYear) return fmt::format("{:.3g} years", seconds / kYear);
  if (seconds >= kDay) return fmt::format("{:.3g} days", seconds / kDay);
  return fmt::format("{:.3g} hours", seconds / 3600);
}

TEST(Recipes, HoldTheValuesOfThePaper) {
  for (const Row& row : kRows) {
    for (const auto& family : kFamilies) {
      const std::string name = std::string(family.name) + " " + row.size;
      const Recipe r = parse_recipe(text_of(family.name, row), name);
      const bool is_float = std::string(family.family) == "float";
      EXPECT_EQ(r.size, row.size);
      EXPECT_EQ(r.family, family.family) << name;
      EXPECT_EQ(r.hidden, row.hidden) << name;
      EXPECT_EQ(r.glu, row.glu) << name;
      EXPECT_EQ(r.heads, row.heads) << name;
      EXPECT_EQ(r.kv_heads, row.heads) << name;
      EXPECT_EQ(r.layers, row.layers) << name;
      EXPECT_EQ(r.shards, row.mp) << name;
      EXPECT_FALSE(r.tied) << name;
      EXPECT_FALSE(r.mask_documents) << name;
      EXPECT_EQ(r.tokens, 300'000'000'000) << name;
      EXPECT_EQ(r.batch_tokens, is_float ? 1 << 21 : 1 << 20) << name;  // 2M and 1M
      EXPECT_EQ(r.sequence, 2048) << name;
      EXPECT_EQ(r.precision, "bf16") << name;
      EXPECT_EQ(r.lr, is_float ? row.float_lr : row.tri_lr) << name;
      EXPECT_EQ(r.lr_second, is_float ? row.float_lr : row.tri_lr_second) << name;
      EXPECT_EQ(r.decay, is_float ? "cosine" : "linear") << name;
      EXPECT_EQ(r.lr_drop_at, is_float ? 1 : 0.5) << name;
      EXPECT_NEAR(r.decay_off_at, is_float ? 1 : 2.0 / 3, 4e-4) << name;
      EXPECT_EQ(r.beta1, 0.9) << name;
      EXPECT_EQ(r.beta2, 0.95) << name;
      EXPECT_EQ(parse_recipe(text_of(family.name, row), name, {"train.precision=fp16"}).precision, "fp16");  // as its header says
      // What the paper leaves open.
      EXPECT_NEAR(r.lr_min, is_float ? 0.1 * row.float_lr : 0, 1e-12) << name;
      EXPECT_EQ(r.warmup_tokens(), 3'000'000'000) << name;
      EXPECT_EQ(r.eps, 1e-8) << name;
      EXPECT_EQ(r.weight_decay, 0.1) << name;
      EXPECT_EQ(r.clip, 1) << name;
    }
  }
}

TEST(Recipes, HeadersSayWhatThePlanSays) {
  for (const Row& row : kRows) {
    for (const auto& family : kFamilies) {
      const std::string text = text_of(family.name, row);
      const Plan plan = make_plan(parse_recipe(text, row.size), kEntries, 0);
      EXPECT_EQ(plan.config.vocab, row.vocab);
      EXPECT_EQ(plan.parameters.linear, row.linear);
      const double flops = plan.total_flops();
      const std::string header = fmt::format(
          "# {} parameters ({} in linear layers), 300B tokens in {} steps, {:.2e} FLOPs:\n"
          "# {} at 0.3 TFLOP/s (two CPU cores with AVX512_BF16), {} at 100 TFLOP/s, {} at 1 PFLOP/s.\n",
          count(plan.parameters.total()), count(plan.parameters.linear), plan.steps, flops, duration(flops / 3e11),
          duration(flops / 1e14), duration(flops / 1e15));
      EXPECT_EQ(text.rfind(fmt::format("# {} {} of the Spectra paper", family.name, row.size), 0), 0u) << text;
      EXPECT_NE(text.find(header), std::string::npos) << header << text;
    }
  }
}

/// The four arms of the paper's ablation (Fig. 6) at 1.1B, as docs/training.md shows them.
TEST(Recipes, AblationArmsAreSettings) {
  const auto arm = [&](const std::vector<std::string>& settings) {
    return make_schedule(parse_recipe(text_of("TriLM", kRows[5]), "1.1B", settings));
  };
  const std::string no_drop = "schedule.lr_drop_at=1", keep_decay = "schedule.decay_off_at=1";
  const struct {
    std::vector<std::string> settings;
    bool drops, ends;
  } arms[] = {{{}, true, true}, {{keep_decay}, true, false}, {{no_drop}, false, true}, {{no_drop, keep_decay}, false, false}};
  for (const auto& a : arms) {
    const Schedule schedule = arm(a.settings);
    const double total = 300e9, warmup = 3e9;
    const auto linear = [&](double peak, double t) { return peak * (total - t) / (total - warmup); };
    EXPECT_DOUBLE_EQ(schedule.lr(149e9), linear(1.3e-3, 149e9));
    EXPECT_DOUBLE_EQ(schedule.lr(151e9), linear(a.drops ? 9e-4 : 1.3e-3, 151e9));
    EXPECT_EQ(schedule.decay(199e9), 0.1);
    EXPECT_EQ(schedule.decay(202e9), a.ends ? 0.0 : 0.1);
  }
}

}  // namespace
}  // namespace spectra::train
