// SPDX-License-Identifier: Apache-2.0
#include "suite/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "suite/record.h"
#include "suite_example.h"

namespace spectra::suite {
namespace {

Plan plan_of(const std::string& toml, bool quick = false) { return make_plan(parse_suite(toml, "s.toml"), quick); }

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

int64_t count(const Plan& plan, JobKind kind) {
  return std::count_if(plan.jobs.begin(), plan.jobs.end(), [&](const Job& job) { return job.kind == kind; });
}

const Job& job_of(const Plan& plan, const std::string& name) {
  const auto found = std::find_if(plan.jobs.begin(), plan.jobs.end(), [&](const Job& job) { return job.name == name; });
  if (found == plan.jobs.end()) throw std::runtime_error("no job " + name);
  return *found;
}

TEST(SuitePlan, HasEveryModelOnce) {
  const Plan plan = plan_of(example());
  // Two sizes of two families, two arms' runs, and the base of seed 2 that one of them is compared with.
  EXPECT_EQ(count(plan, JobKind::kTrain), 7);
  EXPECT_EQ(count(plan, JobKind::kQuantize), 4);
  EXPECT_EQ(count(plan, JobKind::kPack), 3);
  EXPECT_EQ(plan.models.size(), 11u);
  EXPECT_EQ(count(plan, JobKind::kEvaluate), 11);
  std::set<std::string> names;
  for (const Job& job : plan.jobs) EXPECT_TRUE(names.insert(job.name).second) << job.name;
  for (size_t i = 0; i < plan.jobs.size(); ++i)
    for (const size_t before : plan.jobs[i].after) EXPECT_LT(before, i) << plan.jobs[i].name;
  EXPECT_EQ(plan.jobs.back().kind, JobKind::kReport);
}

TEST(SuitePlan, CountsBitsAsThePaper) {
  const Plan plan = plan_of(example());
  for (const PlannedModel& model : plan.models) {
    // Widths of 16, 32 and 64: groups of 128 do not fit, those of 32 fit the larger size. Else every row has 32 bits of scale and
    // zero point: of the small size 16 * 5 + 32 * 2 rows hold 4 * 16 * 16 + 3 * 16 * 32 weights, of the large one twice the rows
    // four times.
    const double of_rows = 32.0 * (16 * 5 + 32 * 2) / (4 * 16 * 16 + 3 * 16 * 32) / (model.size == "large" ? 2 : 1);
    const double expected = model.quantized_bits == 4                      ? (model.size == "large" ? 5 : 4 + of_rows)
                            : model.quantized_bits == 8                    ? 8 + of_rows
                            : model.config.family == model::Family::kFloat ? 16
                                                                           : 1.58;
    EXPECT_DOUBLE_EQ(model.bits_per_weight, expected) << model.name;
    const model::ParameterCount parameters = model::count_parameters(model.config);
    EXPECT_DOUBLE_EQ(model.size_bits,
                     16.0 * static_cast<double>(parameters.embedding_and_head) + expected * static_cast<double>(parameters.linear));
    EXPECT_EQ(model.parent.empty(), model.quantized_bits == 0);
  }
}

TEST(SuitePlan, QuickHasItsSizesAndTokens) {
  const Plan plan = plan_of(example(), true);
  for (const PlannedModel& model : plan.models) {
    EXPECT_EQ(model.size, "small");
    EXPECT_EQ(model.tokens, 2048);
  }
}

TEST(SuitePlan, RefusesWhatDoesNotFitWithTheLine) {
  const struct {
    const char *from, *to, *says;
  } cases[] = {
      {"hidden = 16", "hidden = 18", "s.toml:8: float small: "},           // 18 / 2 heads = 9, not even
      {"sequence = 64", "sequence = 96", "s.toml:8: train.batch_tokens"},  // 1024 is no multiple
      {"schedule.lr_drop_at = 1", "model.shards = 3", "s.toml:34: ternary small: "},
      {"samples = 4", "group_size = 48", "s.toml:29: quantize.group_size = 48"},
      {"tokens = 500", "tasks = [\"hellaswagg\"]", "s.toml:32: evaluate.tasks: "},
  };
  for (const auto& c : cases) {
    try {
      plan_of(replaced(example(), c.from, c.to));
      ADD_FAILURE() << c.to;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::kBadInput);
      EXPECT_EQ(std::string(error.what()).rfind(c.says, 0), 0u) << error.what();
    }
  }
}

TEST(SuitePlan, TellsWhichFilesAreMissing) {
  const Suite suite = parse_suite(example(), "s.toml", {"data.text=absent.txt", "data.valid_fraction=0.1"});
  const Plan plan = make_plan(suite);
  ASSERT_EQ(plan.missing.size(), 1u);
  EXPECT_THROW(require_inputs(suite, plan), Error);
}

TEST(SuitePlan, SelectionTakesWhatIsNeeded) {
  const Plan plan = plan_of(example());
  const std::vector<bool> selected = select_jobs(plan, "evaluate-float-small-seed1-4bit");
  std::vector<std::string> names;
  for (size_t i = 0; i < plan.jobs.size(); ++i)
    if (selected[i]) names.push_back(plan.jobs[i].name);
  EXPECT_EQ(names, (std::vector<std::string>{"prepare", "train-float-small-seed1", "quantize-float-small-seed1-4bit",
                                             "evaluate-float-small-seed1-4bit"}));
  EXPECT_THROW(select_jobs(plan, "nothing*"), Error);
}

/// Names of the jobs whose inputs differ between two suites.
std::vector<std::string> changed(const std::string& before, const std::string& after) {
  const Plan a = plan_of(before), b = plan_of(after);
  const std::vector<std::string> old_hashes = input_hashes(a), new_hashes = input_hashes(b);
  std::vector<std::string> names;
  for (size_t i = 0; i < b.jobs.size(); ++i)
    for (size_t j = 0; j < a.jobs.size(); ++j)
      if (a.jobs[j].name == b.jobs[i].name && old_hashes[j] != new_hashes[i]) names.push_back(b.jobs[i].name);
  return names;
}

TEST(SuiteHashes, OnlyWhatDependsOnAChangeChanges) {
  EXPECT_TRUE(changed(example(), example()).empty());
  EXPECT_TRUE(changed(example(), replaced(example(), "name = \"tiny\"", "name = \"tiny2\"")).empty());
  EXPECT_EQ(changed(example(), replaced(example(), "{float = 0.01, ternary = 0.02}", "{float = 0.02, ternary = 0.02}")),
            (std::vector<std::string>{"train-float-small-seed1", "quantize-float-small-seed1-8bit",
                                      "quantize-float-small-seed1-4bit", "evaluate-float-small-seed1",
                                      "evaluate-float-small-seed1-8bit", "evaluate-float-small-seed1-4bit", "report"}));
  EXPECT_EQ(changed(example(), replaced(example(), "samples = 4", "samples = 5")).size(), 4u + 4u + 1u);
  const Plan plan = plan_of(example());
  EXPECT_EQ(changed(example(), replaced(example(), "stories = 300", "stories = 301")).size(), plan.jobs.size());
}

TEST(SuiteRecords, AreBelievedForTheSameInputsAndOutputOnly) {
  const fs::path directory = fs::path(testing::TempDir()) / "suite-records";
  fs::remove_all(directory);
  fs::create_directories(directory / "jobs");
  fs::create_directories(directory / "runs");
  const Plan plan = plan_of(example());
  const Job& job = job_of(plan, "train-float-small-seed1");
  EXPECT_FALSE(done_record(directory, job, "a"));
  EXPECT_EQ(begin_attempt(directory, job, "a"), Attempt::kNew);
  fs::create_directories(directory / job.output);
  write_file(directory / job.output / "part", "x");
  EXPECT_EQ(begin_attempt(directory, job, "a"), Attempt::kContinued) << "the same inputs";
  EXPECT_TRUE(fs::exists(directory / job.output / "part"));
  write_record(directory, job, {"a", 2.5, "2026", "{\"loss\": 1}"});
  EXPECT_FALSE(done_record(directory, job, "a")) << "no checkpoint is there";
  fs::create_directories((directory / job.proof).parent_path());
  write_file(directory / job.proof, "{}");
  ASSERT_TRUE(done_record(directory, job, "a"));
  EXPECT_EQ(done_record(directory, job, "a")->seconds, 2.5);
  EXPECT_FALSE(done_record(directory, job, "b"));
  EXPECT_EQ(begin_attempt(directory, job, "b"), Attempt::kNew) << "other inputs: from the beginning";
  EXPECT_FALSE(fs::exists(directory / job.output));
  EXPECT_FALSE(done_record(directory, job, "a"));
  EXPECT_EQ(begin_attempt(directory, job, "a"), Attempt::kDone) << "what they had made is back";
  EXPECT_TRUE(fs::exists(directory / job.output / "part"));
  EXPECT_EQ(done_record(directory, job, "a")->result, "{\"loss\":1}");
  write_record(directory, job, {"a", 1, "2026", ""});
  EXPECT_FALSE(done_record(directory, job, "a")) << "a result that was lost";
  write_file(directory / "jobs" / (job.name + ".json"), "{\"schema\": 1, \"inputs\": []}");
  EXPECT_FALSE(done_record(directory, job, "a")) << "edited by hand";
}

TEST(SuiteRecords, BlocksOfAnotherQuantizationArePutAside) {
  const fs::path directory = fs::path(testing::TempDir()) / "suite-partial";
  fs::remove_all(directory);
  const Plan plan = plan_of(example());
  const Job& job = job_of(plan, "quantize-float-small-seed1-4bit");
  fs::create_directories(directory / "jobs");
  EXPECT_EQ(begin_attempt(directory, job, "a"), Attempt::kNew);
  const fs::path partial = directory / (job.output.string() + ".partial");
  fs::create_directories(partial);
  EXPECT_EQ(begin_attempt(directory, job, "a"), Attempt::kNew);
  EXPECT_TRUE(fs::exists(partial)) << "the command goes on from them";
  begin_attempt(directory, job, "b");
  EXPECT_FALSE(fs::exists(partial));
  begin_attempt(directory, job, "a");
  EXPECT_TRUE(fs::exists(partial));
}

TEST(SuiteRecords, WhatNoJobMadeIsNotTouched) {
  const fs::path directory = fs::path(testing::TempDir()) / "suite-in-the-way";
  fs::remove_all(directory);
  fs::create_directories(directory / "jobs");
  fs::create_directories(directory / "data");
  write_file(directory / "data/precious", "x");
  const Plan plan = plan_of(example());
  EXPECT_THROW(begin_attempt(directory, job_of(plan, "prepare"), "a"), Error);
  EXPECT_TRUE(fs::exists(directory / "data/precious"));
}

TEST(SuiteHashes, NeitherPlacesNorCoresNorKeysThatTheWeightsDoNotDependOnCount) {
  EXPECT_TRUE(changed(example(), replaced(example(), "[train]\n", "[checkpoint]\nevery = 3\n[train]\n")).empty());
  EXPECT_EQ(changed(example(), "threads = 2\n" + example()).size(), plan_of(example()).jobs.size());
  Plan plan = plan_of(example());
  const std::vector<std::string> hashes = input_hashes(plan);
  plan.threads = 64;
  EXPECT_EQ(input_hashes(plan), hashes) << "chosen by the machine";
  const fs::path base = fs::path(testing::TempDir()) / "suite-places";
  std::vector<std::vector<std::string>> of_place;
  for (const char* place : {"one", "another"}) {
    fs::create_directories(base / place);
    write_file(base / place / "text.txt", "the same");
    const std::string set = fmt::format("data.text={}", (base / place / "text.txt").string());
    of_place.push_back(input_hashes(make_plan(parse_suite(example(), "s.toml", {set, "data.valid_fraction=0.1"}))));
  }
  EXPECT_EQ(of_place[0], of_place[1]);
}

TEST(SuiteHashes, ThePageIsOfWhatIsDone) {
  const Suite suite = parse_suite(example(), "s.toml");
  const std::vector<std::string> hashes = {"a", "b", "c"};
  const std::string one = hash_of_page(suite, hashes, {true, false, false});
  EXPECT_EQ(one, hash_of_page(suite, {"a", "x", "c"}, {true, false, false}));
  EXPECT_NE(one, hash_of_page(suite, hashes, {true, true, false}));
  Suite retitled = suite;
  retitled.title = "another";
  EXPECT_NE(one, hash_of_page(retitled, hashes, {true, false, false}));
}

TEST(SuitePlan, DifferentThingsHaveDifferentNames) {
  const std::string arm = "[[arm]]\nname = \"wide\"\nfamily = \"float\"\nsizes = [\"small\"]\nschedule.lr = 0.5\n";
  const std::string size = "[[size]]\nname = \"small-wide\"\nhidden = 32\nglu = 64\nheads = 2\nlayers = 1\n";
  EXPECT_NO_THROW(plan_of(example() + arm));
  EXPECT_THROW(plan_of(example() + size + arm), Error);
}

}  // namespace
}  // namespace spectra::suite
