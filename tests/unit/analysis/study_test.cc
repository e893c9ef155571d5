// SPDX-License-Identifier: Apache-2.0
#include "analysis/study.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/report/sections.h"
#include "analysis/study_tables.h"
#include "base/error.h"
#include "study_example.h"
#include "test_data.h"

namespace spectra::analysis {
namespace {

using nlohmann::json;
using test::study_document;
using test::study_model;

Study read(const json& document) {
  const test::TemporaryDirectory directory;
  write_file(directory / "results.json", document.dump());
  return read_study(directory.path());
}

std::string complaint(const json& document) {
  try {
    read(document);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    return error.what();
  }
  return "";
}

TEST(ReadStudy, TakesWhatIsThereAndLeavesTheRestUnknown) {
  json document = study_document();
  document["models"] = {study_model("ternary", "1.5M", 1, 2.5), study_model("float", "1.5M", 1, 2.25)};
  document["models"][0]["validation_loss"] = nullptr;
  document["models"][1]["tasks"] = {{"sciq", {{"acc", 0.5}, {"acc_stderr", 0.25}, {"n", 8}, {"note", "x"}}}};
  document["models"][1]["texts"] = {{"ptb", {{"nll", 3.5}, {"perplexity", 33.1}, {"tokens", 100}}}};
  const Study study = read(document);
  EXPECT_EQ(study.name, "nano");
  EXPECT_FALSE(study.finished);
  ASSERT_EQ(study.models.size(), 2u);
  EXPECT_EQ(study.models[0].family, model::Family::kTernary);
  EXPECT_TRUE(std::isnan(study.models[0].validation_loss));
  EXPECT_TRUE(study.models[0].tasks.empty());
  EXPECT_EQ(study.models[1].run, study.directory / "runs/float-1.5M-seed1");
  const StudyScore score = study.models[1].tasks.at("sciq").at("acc");
  EXPECT_EQ(score.value, 0.5);
  EXPECT_EQ(score.standard_error, 0.25);
  EXPECT_EQ(score.documents, 8);
  EXPECT_EQ(study.models[1].tasks.at("sciq").size(), 1u);
  EXPECT_EQ(study.models[1].texts.at("ptb").nll, 3.5);
}

TEST(ReadStudy, ASuiteThatHasJustBegunHasNoModels) {
  json document = study_document();
  document.erase("models");
  EXPECT_TRUE(read(document).models.empty());
}

TEST(ReadStudy, ComplaintsNameThePlace) {
  json document = study_document();
  document["models"] = {study_model("float", "1.5M", 1, 2.25), study_model("float", "1.5M", 2, 2.25)};
  json bad = document;
  bad["models"][1]["family"] = "quaternary";
  EXPECT_NE(complaint(bad).find("results.json, models[1].family: "), std::string::npos) << complaint(bad);
  bad = document;
  bad["models"][1]["validation_loss"] = "low";
  EXPECT_NE(complaint(bad).find("models[1].validation_loss: string where a number belongs"), std::string::npos) << complaint(bad);
  bad = document;
  bad["models"][0].erase("name");
  EXPECT_NE(complaint(bad).find("models[0]: \"name\" is missing"), std::string::npos) << complaint(bad);
  bad = document;
  bad["models"] = 3;
  EXPECT_NE(complaint(bad).find("models: number where a list belongs"), std::string::npos) << complaint(bad);
  bad = document;
  bad["models"][0]["tasks"] = {{"sciq", 0.5}};
  EXPECT_NE(complaint(bad).find("models[0].tasks.sciq: number where an object belongs"), std::string::npos) << complaint(bad);
  bad = document;
  bad["schema"] = "spectra.suite/9";
  EXPECT_NE(complaint(bad).find("spectra.suite/9"), std::string::npos);
  EXPECT_NE(complaint(json::array()).find("object belongs"), std::string::npos);
}

TEST(ReadStudy, RefusesWhatIsNotJson) {
  const test::TemporaryDirectory directory;
  EXPECT_FALSE(is_study(directory.path()));
  write_file(directory / "results.json", "{\"schema\": ");
  EXPECT_TRUE(is_study(directory.path()));
  EXPECT_THROW(read_study(directory.path()), Error);
}

TEST(StudyTables, TheFloatLMsOfTheTwoNextSmallerSizes) {
  json document = study_document();
  document["models"] = {
      study_model("float", "0.1M", 1, 4), study_model("float", "0.1M", 2, 4),   study_model("float", "0.2M", 1, 3),
      study_model("float", "0.2M", 2, 3), study_model("float", "0.2M", 3, 3),   study_model("float", "0.4M", 1, 2),
      study_model("float", "0.4M", 2, 2), study_model("ternary", "0.4M", 2, 2), study_model("ternary", "0.4M", 3, 2)};
  json arm = study_model("float", "0.3M", 2, 3), quantized = study_model("float", "0.35M", 2, 3);
  arm["arm"] = "constant-lr", quantized["quantized_bits"] = 4;
  document["models"].push_back(arm), document["models"].push_back(quantized);
  document["models"][7]["parameters"] = 0.41e6;  // padded: the FloatLM of its own size is not smaller
  const Study study = read(document);
  const auto names = [&](size_t i) {
    std::vector<std::string> out;
    for (const StudyModel* one : next_smaller_floats(study, study.models[i])) out.push_back(one->name);
    return out;
  };
  EXPECT_EQ(names(7), (std::vector<std::string>{"float-0.2M-seed2", "float-0.1M-seed2"}));
  EXPECT_EQ(names(8), (std::vector<std::string>{"float-0.2M-seed3", "float-0.1M-seed1"}));  // 0.1M has no third seed
  EXPECT_EQ(names(2), (std::vector<std::string>{"float-0.1M-seed1"}));
  EXPECT_TRUE(names(0).empty());
}

TEST(StudyTables, MeansDifferencesAndTheirIntervals) {
  json document = study_document();
  document["models"] = {study_model("float", "1.5M", 1, 2.0), study_model("float", "1.5M", 2, 3.0),
                        study_model("ternary", "1.5M", 1, 2.5), study_model("ternary", "1.5M", 2, 3.7),
                        study_model("ternary", "1.5M", 3, 9.0)};
  const Study study = read(document);
  const std::vector<SizeGroup> groups = by_size(study, kFloatLM, validation_loss);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].mean.mean, 2.5);
  EXPECT_EQ(groups[0].mean.low, 2.0);
  const std::vector<SizeDifference> gaps = differences(study, kTriLM, kFloatLM, validation_loss);
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].mean.count, 2u);  // seed 3 has no FloatLM
  EXPECT_NEAR(gaps[0].mean.mean, 0.6, 1e-12);
  EXPECT_NEAR(gaps[0].mean.margin, 12.706 * 0.1, 1e-4);  // standard error of {0.5, 0.7}: 0.1414 / sqrt(2)
  EXPECT_TRUE(std::isnan(mean_of({1.0}).margin));
  EXPECT_EQ(kinds_of(study).size(), 2u);
}

// Seeds of one size share what the law misses there: three seeds at every size narrow no interval.
TEST(StudyTables, LawsAreFittedToTheSizesMeans) {
  const std::vector<double> n = {1e6, 3e6, 1e7, 3e7, 1e8}, means = {6.8, 5.6, 4.5, 3.9, 3.3};
  Study study;
  for (size_t i = 0; i < n.size(); ++i)
    for (const double error : {-0.01, 0.0, 0.01}) {
      StudyModel model;
      model.size = std::to_string(i), model.parameters = n[i], model.validation_loss = means[i] + error;
      study.models.push_back(model);
    }
  const std::optional<FamilyFit> fit = fit_family(study, kFloatLM);
  ASSERT_TRUE(fit.has_value());
  const ScalingFit law = fit_scaling_law(n, means, true);
  EXPECT_NEAR(fit->law.alpha, law.alpha, 1e-6);
  EXPECT_NEAR(fit->law.alpha_interval.high, law.alpha_interval.high, 1e-4);
  EXPECT_NEAR(fit->law.alpha_interval.low, law.alpha_interval.low, 1e-4);
}

}  // namespace
}  // namespace spectra::analysis
