// SPDX-License-Identifier: Apache-2.0
// Made-up documents of every task in every spelling of their files, and the requests that tests/golden/make_eval_golden.py works
// out for them.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "eval/build_documents.h"
#include "test_data.h"

namespace spectra::eval {
namespace {

using nlohmann::json;
using Requests = std::vector<std::vector<std::string>>;

Requests expected_requests(const json& golden) {
  Requests requests;
  for (const json& folded : golden.at("requests")) {
    if (folded.size() == 1) requests.push_back({folded[0]});
    for (size_t i = 1; i < folded.size(); ++i) requests.push_back({folded[0], folded[i]});
  }
  return requests;
}

void write_files(const fs::path& directory, const json& files) {
  for (const auto& file : files.items()) {
    const fs::path path = directory / file.key();
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << file.value().get<std::string>();
  }
}

void expect_documents(const json& golden, const Task& task, const std::vector<Document>& documents) {
  Requests requests;
  std::vector<int64_t> golds, truths, words, bytes;
  std::vector<Texts> answers;
  Texts parts;
  for (const Document& document : documents) {
    for (const Request& r : document.requests)
      requests.push_back(task.kind == Kind::kRolling ? Texts{r.continuation} : Texts{r.context, r.continuation});
    golds.push_back(document.gold);
    truths.push_back(document.true_choices);
    words.push_back(document.words);
    bytes.push_back(document.bytes);
    answers.push_back(document.answers);
    parts.push_back(document.subset);
  }
  EXPECT_EQ(requests, expected_requests(golden));
  // What a task has none of is that of no document. Parts are the subjects and categories, which the requests show.
  struct Part {
    const char* key;
    json seen, none;
  };
  const Part all[] = {{"golds", golds, -1}, {"true_choices", truths, 0},         {"words", words, 0},
                      {"bytes", bytes, 0},  {"answers", answers, json::array()}, {"parts", parts, nullptr}};
  for (const Part& part : all) {
    const json expected = golden.value(part.key, json());
    if (part.key == std::string("golds") && golden.contains("true_choices")) continue;  // several right choices: no one counts
    if (!expected.is_null() || !part.none.is_null()) {
      EXPECT_EQ(part.seen, expected.is_null() ? json(documents.size(), part.none) : expected) << part.key;
    }
  }
}

TEST(GoldenRequests, EveryTaskInEverySpelling) {
  std::set<std::string> tasks;
  for (const json& golden : json::parse(read_file(test::golden("eval_requests.json")))) {
    const auto name = golden.at("task").get<std::string>();
    const Task task = load_task(name).task;
    tasks.insert(name);
    for (const json& files : golden.at("spellings")) {
      SCOPED_TRACE(name + " " + files.begin().key());
      const test::TemporaryDirectory directory;
      write_files(directory.path(), files);
      DocumentOptions options;
      options.fewshot = golden.at("fewshot");
      expect_documents(golden, task, build_documents(task, DataFinder({directory.path().string()}), options));
    }
  }
  for (const std::string& name : builtin_task_names())
    EXPECT_TRUE(tasks.count(name) > 0 || name == "text" || name.find("-0.3.0") != std::string::npos)
        << "no golden requests for " << name;
}

}  // namespace
}  // namespace spectra::eval
