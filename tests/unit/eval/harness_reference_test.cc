// SPDX-License-Identifier: Apache-2.0
// What lm-evaluation-harness 0.3.0's own tests record: the hash of all requests of a task, and the scores of a model whose answer
// to request i is -random.random() (seed 42).
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/hash.h"
#include "eval/evaluate.h"
#include "eval/python_random.h"
#include "test_data.h"

namespace spectra::eval {
namespace {

using nlohmann::json;

class DummyModel : public Predictor {
 public:
  void predict(const Task&, const std::vector<Document>& documents, const std::vector<size_t>& wanted, const Done& done) override {
    ASSERT_EQ(wanted.size(), documents.size());
    PythonRandom random(42);
    for (const size_t i : wanted) {
      Answer answer;
      for (size_t r = 0; r < documents[i].requests.size(); ++r) {
        answer.logprobs.push_back(-random.uniform());
        answer.greedy.push_back(0);
      }
      done(i, answer);
    }
  }
};

std::string task_name(const std::string& reference) {
  const std::string mmlu = "hendrycksTest-";
  return reference.compare(0, mmlu.size(), mmlu) == 0 ? "mmlu-0.3.0_" + reference.substr(mmlu.size()) : reference + "-0.3.0";
}

void expect_scores(const json& reference, const ScoreRow& row) {
  json scores;
  for (const Score& score : row.scores) {
    const std::string name = score.metric == "perplexity" ? "ppl" : score.metric;
    scores[name] = score.value;
    if (score.stderr_value) scores[name + "_stderr"] = *score.stderr_value;
  }
  ASSERT_EQ(scores.size(), reference.size()) << scores;
  for (const auto& [name, value] : reference.items()) EXPECT_NEAR(scores.at(name).get<double>(), value.get<double>(), 1e-9) << name;
}

TEST(HarnessReference, RequestsAndScores) {
  const fs::path data = test::data_directory(), file = data / "eval/harness-0.3.0-reference.json";
  SPECTRA_NEEDS_DATA(file);
  const DataFinder finder({(data / "eval").string(), (data / "text").string()});
  int reached = 0;
  const json all = json::parse(read_file(file));
  for (const auto& [name, reference] : all.items()) {
    if (name == "hellaswag") continue;  // the raw file is not there
    SCOPED_TRACE(name);
    std::vector<TaskResult> results(1, prepare_task(load_task(task_name(name)), finder, 0, -1));
    EXPECT_EQ(sha256(requests_json(results)), reference.at("requests_sha256"));
    DummyModel model;
    evaluate(results[0], model, nullptr, 10);  // those tests resample ten times
    expect_scores(reference.at("results"), results[0].rows.at(0));
    ++reached;
  }
  EXPECT_EQ(reached, 61);
}

}  // namespace
}  // namespace spectra::eval
