// SPDX-License-Identifier: Apache-2.0
#include "eval/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "eval/bias.h"

namespace spectra::eval {
namespace {

double value(const Task& task, const char* metric, const Document& document, const Answer& answer) {
  return find_metric(metric, task.kind)->value(task, document, answer);
}
double choice_value(const char* metric, const Document& document, const std::vector<double>& logprobs) {
  return value(Task(), metric, document, {logprobs, {}, ""});
}

TEST(Metrics, LengthIsCodePointsOrBytes) {
  Document d;
  d.choices = {"\xC3\xA9\xC3\xA9", "abc"};  // two code points in four bytes
  d.gold = 1;
  EXPECT_EQ(choice_value("acc", d, {-6, -7}), 0);
  EXPECT_EQ(choice_value("acc_norm", d, {-6, -7}), 1) << "-3 a code point against -2.33";
  EXPECT_EQ(choice_value("acc_bytes", d, {-6, -7}), 0) << "-1.5 a byte against -2.33";
}

TEST(Metrics, TheFirstAmongEqualsIsChosen) {
  EXPECT_EQ(best_choice({-2, -1, -1}), 1);
  Document d;
  d.choices = {"", "a"};  // -inf a code point
  d.gold = 1;
  EXPECT_EQ(choice_value("acc_norm", d, {-1, -50}), 1);
}

TEST(Metrics, Mc2) {
  Document d;
  d.true_choices = 2;
  EXPECT_NEAR(choice_value("mc2", d, {std::log(0.1), std::log(0.2), std::log(0.3)}), 0.5, 1e-12);
  EXPECT_NEAR(choice_value("mc2", d, {-2000 + std::log(0.1), -2000 + std::log(0.2), -2000 + std::log(0.3)}), 0.5, 1e-9);
}

TEST(Metrics, CrowsPairs) {
  EXPECT_EQ(choice_value("pct_stereotype", {}, {-1, -1}), 0) << "strictly more probable";
  EXPECT_EQ(choice_value("pct_stereotype", {}, {-1, -1.5}), 1);
  EXPECT_EQ(choice_value("likelihood_diff", {}, {-1, -2.5}), 1.5);
}

TEST(Metrics, ExactMatchOfTriviaQa) {
  const Task task = load_task("triviaqa").task;
  Document d;
  d.answers = {"Dwight D. Eisenhower", "Ike", "don't"};
  const auto match = [&](const char* text) { return value(task, "exact_match", d, {{}, {}, text}); };
  EXPECT_EQ(match(" ike\nQuestion:"), 1);
  EXPECT_EQ(match(" \"Ike\"."), 1) << "punctuation does not count";
  EXPECT_EQ(match("  Ike"), 0) << "only one space is dropped";
  EXPECT_EQ(match(" Ike "), 0) << "nothing is trimmed";
  EXPECT_EQ(match(" the Ike"), 0) << "no article is dropped";
  EXPECT_EQ(match(" Dwight D. Eisenhower"), 0) << "cut at the full stop";
  EXPECT_EQ(match(" DONT"), 1);
  EXPECT_EQ(match(""), 0);
  EXPECT_EQ(answer_text(task, " a, b. c"), "a");
}

Document bbq(const char* condition, const char* polarity, const Texts& groups, Texts stereotyped, const Texts& names = {}) {
  Document d;
  d.gold = 2;
  d.notes = {{"condition", {condition}},
             {"polarity", {polarity}},
             {"groups", groups},
             {"names", names.empty() ? groups : names},
             {"stereotyped", std::move(stereotyped)}};
  return d;
}

TEST(Bias, RolesOfAnswers) {
  const auto roles = [](const char* polarity, const Texts& groups, Texts stereotyped, const Texts& names = {}) {
    const bias::Roles r = bias::roles(bbq("ambig", polarity, groups, std::move(stereotyped), names));
    return std::pair(r.biased, r.against);
  };
  using Pair = std::pair<int64_t, int64_t>;
  EXPECT_EQ(roles("neg", {"nonOld", "old", "unknown"}, {"old"}), Pair(1, 0));
  EXPECT_EQ(roles("nonneg", {"nonOld", "old", "unknown"}, {"old"}), Pair(0, 1));
  EXPECT_EQ(roles("neg", {"unknown", "lowSES", "highSES"}, {"low SES"}), Pair(1, 2));
  EXPECT_EQ(roles("neg", {"F-Black", "unknown", "F-White"}, {"African American", "Black"}), Pair(0, 2));
  EXPECT_EQ(roles("neg", {"woman", "man", "unknown"}, {"F"}), Pair(0, 1));
  // As the files of the categories have them.
  EXPECT_EQ(roles("neg", {"nonDisabled", "unknown", "disabled"}, {"disabled", "physically disabled"}), Pair(2, 0));
  EXPECT_EQ(roles("neg", {"boy", "girl", "unknown"}, {"Girls"}), Pair(1, 0));
  EXPECT_EQ(roles("neg", {"M", "F", "unknown"}, {"women"}), Pair(1, 0));
  EXPECT_EQ(roles("nonneg", {"trans_F", "nonTrans_F", "unknown"}, {"transgender women", "transgender men"}), Pair(1, 0));
  EXPECT_EQ(roles("neg", {"Europe", "AsiaPacific", "unknown"}, {"British"}, {"British", "Japanese", "Can't answer"}), Pair(0, 1));
  EXPECT_EQ(roles("neg", {"Africa", "Africa", "unknown"}, {"Malian"}, {"Malian", "Kenyan", "Unknown"}), Pair(0, 1));
  EXPECT_EQ(roles("neg", {"obese", "nonObese", "unknown"}, {"obese"}), Pair(0, 1));
  EXPECT_EQ(roles("neg", {"unknown", "highSES-White", "lowSES-Black"}, {"African American", "Black"}), Pair(2, 1));
  EXPECT_EQ(roles("neg", {"lowSES-F-Black", "highSES-F-White", "unknown"}, {"Black"}), Pair(0, 1));
  EXPECT_EQ(roles("neg", {"lowSES-Black", "highSES-Black", "unknown"}, {"Black"}), Pair(-1, -1)) << "which status is in no file";
  EXPECT_EQ(roles("neg", {"F-Black", "M-Black", "unknown"}, {"Black"}), Pair(-1, -1)) << "which gender is in no file";
  EXPECT_EQ(roles("neg", {"Jewish", "Sikh", "unknown"}, {"Jewish"}), Pair(0, 1));
  EXPECT_EQ(roles("neg", {"unknown", "straight", "gay"}, {"gay"}), Pair(2, 1));
  EXPECT_EQ(roles("neg", {"a", "b", "unknown"}, {"c"}), Pair(-1, -1)) << "the file does not tell";
  EXPECT_EQ(roles("neg", {"a", "b", "unknown"}, {"a", "b"}), Pair(-1, -1));
}

// Four ambiguous answers: biased, biased, against, unknown. accuracy 1/4, s_DIS 2 * 2/3 - 1 = 1/3, s_AMB (1 - 1/4) / 3 = 1/4.
TEST(Bias, ScoresOfThePaper) {
  Task task;
  task.name = "bbq";
  task.metrics = {"acc_ambiguous", "acc_disambiguated", "bias_ambiguous", "bias_disambiguated"};
  std::vector<Document> documents;
  std::vector<Answer> answers;
  const auto add = [&](const char* condition, size_t chosen) {
    documents.push_back(bbq(condition, "neg", {"old", "nonOld", "unknown"}, {"old"}));
    if (std::string(condition) == "disambig") documents.back().gold = 0;
    answers.push_back({{-2, -2, -2}, {}, ""});
    answers.back().logprobs[chosen] = -1;
  };
  for (const size_t chosen : {0, 0, 1, 2}) add("ambig", chosen);
  for (const size_t chosen : {0, 0, 0, 1, 2}) add("disambig", chosen);
  documents.push_back(bbq("ambig", "neg", {"x", "y", "unknown"}, {"z"}));  // counts for accuracy only
  answers.push_back({{-2, -2, -1}, {}, ""});
  const std::vector<Score> scores = score_task(task, task.name, documents, answers, 100).at(0).scores;
  EXPECT_DOUBLE_EQ(scores[0].value, 2.0 / 5);
  EXPECT_DOUBLE_EQ(scores[1].value, 3.0 / 5);
  EXPECT_DOUBLE_EQ(scores[2].value, 1.0 / 4);
  EXPECT_EQ(scores[2].documents, 4);
  EXPECT_DOUBLE_EQ(scores[3].value, 2 * 3.0 / 4 - 1);
  EXPECT_EQ(scores[3].documents, 4) << "unknown does not count here";
}

TEST(ScoreTask, RollingScoresAreRatiosOfSums) {
  Task task;
  task.kind = Kind::kRolling;
  task.metrics = {"word_perplexity", "byte_perplexity", "bits_per_byte"};
  std::vector<Document> documents(2);
  documents[0].words = 3;
  documents[0].bytes = 10;
  documents[1].words = 7;
  documents[1].bytes = 40;
  const std::vector<Score> scores = score_task(task, task.name, documents, {{{-20}, {0}, ""}, {{-30}, {0}, ""}}, 100).at(0).scores;
  EXPECT_DOUBLE_EQ(scores[0].value, std::exp(5));
  EXPECT_DOUBLE_EQ(scores[1].value, std::exp(1));
  EXPECT_DOUBLE_EQ(scores[2].value, 1 / std::log(2));
  EXPECT_FALSE(scores[0].stderr_value);
}

TEST(ScoreTask, PartsAndGroups) {
  Task task;
  task.name = "quiz";
  task.metrics = {"acc"};
  task.subsets.separate = true;
  task.subsets.groups = {{"science", {"a", "b"}}, {"arts", {"c"}}};
  std::vector<Document> documents;
  std::vector<Answer> answers;
  const auto add = [&](const char* part, bool right) {
    documents.emplace_back();
    documents.back().subset = part;
    documents.back().choices = {"x", "y"};
    documents.back().gold = 0;
    answers.push_back({right ? std::vector<double>{-1, -2} : std::vector<double>{-2, -1}, {}, ""});
  };
  for (const bool right : {true, true, false, true}) add("a", right);
  for (const bool right : {false, true}) add("b", right);
  for (const bool right : {true, false}) add("c", right);
  const std::vector<ScoreRow> rows = score_task(task, "quiz", documents, answers, 100);
  std::map<std::string, double> scores;
  for (const ScoreRow& row : rows) scores[row.name] = row.scores[0].value;
  EXPECT_EQ(rows.front().name, "quiz");
  EXPECT_DOUBLE_EQ(scores["quiz"], 5.0 / 8);
  EXPECT_DOUBLE_EQ(scores["quiz_science"], 4.0 / 6) << "by documents, not by parts";
  EXPECT_DOUBLE_EQ(scores["quiz_a"], 3.0 / 4);
  // A part or group that was asked for has a row of its own name, and the whole has none.
  const auto names = [&](const char* name, size_t count) {
    Texts result;
    const std::vector<Document> some(documents.begin(), documents.begin() + static_cast<ptrdiff_t>(count));
    for (const ScoreRow& row : score_task(task, name, some, answers, 100)) result.push_back(row.name);
    return result;
  };
  EXPECT_EQ(names("quiz_a", 4), Texts{"quiz_a"});
  EXPECT_EQ(names("quiz_science", 6), (Texts{"quiz_science", "quiz_a", "quiz_b"}));
  EXPECT_EQ(names("quiz", 4), (Texts{"quiz", "quiz_science", "quiz_a"})) << "data of one part alone";
}

}  // namespace
}  // namespace spectra::eval
