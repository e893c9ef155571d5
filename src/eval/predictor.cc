// SPDX-License-Identifier: Apache-2.0
#include "eval/predictor.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/decompress.h"

namespace spectra::eval {
namespace {

class UniformPredictor : public Predictor {
 public:
  void predict(const Task&, const std::vector<Document>& documents, const std::vector<size_t>& wanted, const Done& done) override {
    for (const size_t i : wanted) {
      Answer answer;
      for (const Request& request : documents[i].requests) {
        answer.logprobs.push_back(-static_cast<double>(request.continuation.size()) * std::log(256));
        answer.greedy.push_back(0);
      }
      done(i, answer);
    }
  }
};

class FilePredictor : public Predictor {
 public:
  explicit FilePredictor(const std::string& path) : path_(path), content_(text::read_decompressed(path)) {}

  void predict(const Task&, const std::vector<Document>& documents, const std::vector<size_t>& wanted, const Done& done) override {
    std::vector<Answer> answers;
    for (const Document& document : documents) {
      answers.emplace_back();
      for (size_t i = 0; i < document.requests.size(); ++i) read_line(answers.back());
    }
    for (const size_t i : wanted) done(i, answers[i]);
  }

 private:
  void read_line(Answer& answer) {
    ++line_;
    const size_t end = std::min(content_.find('\n', at_), content_.size());
    const auto value = nlohmann::json::parse(content_.begin() + static_cast<ptrdiff_t>(at_),
                                             content_.begin() + static_cast<ptrdiff_t>(end), nullptr, false);
    at_ = std::min(end + 1, content_.size());
    if (value.is_string()) answer.text = value.get<std::string>();
    const bool pair = value.is_array() && value.size() == 2 && value[0].is_number() && value[1].is_boolean();
    if (!value.is_string() && !value.is_number() && !pair)
      throw bad_input(fmt::format("{}:{}: no answer", path_, line_),
                      "expected a number, [number, true or false] or a text in quotes, a line for each request");
    if (value.is_string()) return;
    answer.logprobs.push_back(pair ? value[0].get<double>() : value.get<double>());
    answer.greedy.push_back(pair && value[1].get<bool>());
  }

  std::string path_, content_;
  size_t at_ = 0;
  int64_t line_ = 0;
};

}  // namespace

std::unique_ptr<Predictor> make_predictor(const std::string& name) {
  if (name == "uniform") return std::make_unique<UniformPredictor>();
  if (name.compare(0, 5, "file:") == 0) return std::make_unique<FilePredictor>(name.substr(5));
  throw Error(Exit::kUsage, fmt::format("--predictor {} is unknown", name), "allowed: uniform, file:PATH");
}

}  // namespace spectra::eval
