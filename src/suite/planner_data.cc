// SPDX-License-Identifier: Apache-2.0
#include "suite/planner.h"

#include <algorithm>

#include "base/error.h"
#include "eval/task.h"
#include "format/token_data.h"
#include "text/tokenizer.h"

namespace spectra::suite {
namespace {

constexpr double kBytesOfToken = 2, kBytesOfStory = 1000;
constexpr double kBytesOfSecond = 8e6;  // that are tokenized, roughly

std::string absolute(const std::string& path) { return fs::absolute(path).lexically_normal().string(); }

}  // namespace

std::string Planner::input(Job& job, const std::string& path, const std::string& origin) {
  const std::string full = absolute(path);
  job.inputs.emplace_back(full);
  const auto known = [&](const Missing& missing) { return missing.path == full; };
  if (!fs::exists(full) && std::none_of(plan_.missing.begin(), plan_.missing.end(), known)) plan_.missing.push_back({full, origin});
  return full;
}

std::string Planner::task_data(Job& job, const std::string& data) {
  const size_t equals = data.find('=');
  const std::string& origin = suite_.evaluate.origin;
  if (equals == std::string::npos || fs::exists(data)) return input(job, data, origin);
  return data.substr(0, equals + 1) + input(job, data.substr(equals + 1), origin);
}

void Planner::find_vocabulary() {
  const Data& data = suite_.data;
  vocab_ = data.vocabulary;
  if (!data.tokenizer.empty())
    vocab_ = fs::exists(data.tokenizer) ? text::Tokenizer::load(data.tokenizer).vocab_size() : train::kPaperTokenizerEntries;
  if (!data.path.empty()) {
    const bool found = format::TokenData::recognize(data.path);
    vocab_ = found ? format::TokenData(data.path).info().vocab : train::kPaperTokenizerEntries;
    plan_.data = absolute(data.path);
    if (!found) plan_.missing.push_back({plan_.data, data.origin});
  }
}

void Planner::check_tasks() const {
  for (const std::string& task : suite_.evaluate.tasks) {
    try {
      eval::load_task(task);
    } catch (const Error& error) {
      throw bad_input(fmt::format("{}: evaluate.tasks: {}", suite_.evaluate.origin, error.what()), error.hint());
    }
  }
}

void Planner::prepare() {
  if (!plan_.data.empty()) return;
  plan_.data = "data";
  const Data& data = suite_.data;
  Job job;
  job.name = "prepare", job.kind = JobKind::kPrepare, job.output = "data", job.proof = "data/data.json";
  std::vector<std::string>& a = job.arguments = {"prepare"};
  double bytes = 0;
  if (!data.synthetic.empty()) {
    a.insert(a.end(), {"--synthetic", data.synthetic, "--stories", fmt::format("{}", data.stories)});
    bytes = static_cast<double>(data.stories) * kBytesOfStory;
  }
  for (const std::string& file : data.text) {
    a.push_back(input(job, file, data.origin));
    if (fs::is_regular_file(file)) bytes += 4 * static_cast<double>(fs::file_size(file));  // it may be compressed
  }
  for (const std::string& file : data.valid) a.insert(a.end(), {"--valid", input(job, file, data.origin)});
  if (data.valid_fraction > 0) a.insert(a.end(), {"--valid-fraction", fmt::format("{}", data.valid_fraction)});
  a.insert(a.end(), {"--seed", fmt::format("{}", data.seed)});
  if (data.tokenizer.empty())
    a.insert(a.end(), {"--train-tokenizer", fmt::format("{}", data.vocabulary)});
  else
    a.insert(a.end(), {"--tokenizer", input(job, data.tokenizer, data.origin)});
  a.insert(a.end(), {"--out", "data", "--json"});
  job.disk_bytes = static_cast<uint64_t>(bytes / 3 * kBytesOfToken);
  job.seconds = bytes / kBytesOfSecond;
  prepared_ = add(std::move(job));
}

}  // namespace spectra::suite
