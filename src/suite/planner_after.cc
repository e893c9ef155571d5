// SPDX-License-Identifier: Apache-2.0
#include "suite/planner.h"

#include <fmt/format.h>

#include <numeric>
#include <set>

#include "base/error.h"
#include "base/system.h"

namespace spectra::suite {
namespace {

constexpr int64_t kLarge = 50'000'000;  ///< parameters above which a job takes all cores

/// Memory of a model's weights as they are read and as fp32.
uint64_t weight_bytes(const PlannedModel& m) { return static_cast<uint64_t>(6 * model::count_parameters(m.config).total()); }

/// Work of one token.
double token_flops(const PlannedModel& m) { return 2 * static_cast<double>(model::count_parameters(m.config).total()); }

}  // namespace

void Planner::choose_threads() {
  plan_.own_threads = suite_.threads == 0;
  plan_.threads = suite_.threads > 0 ? static_cast<int>(suite_.threads) : largest_ >= kLarge ? cpu_count() : 1;
}

void Planner::finish_model(size_t index) {
  const PlannedModel& m = plan_.models[index];
  const bool low_bit = m.config.family != model::Family::kFloat;
  if (suite_.pack && low_bit && m.arm.empty()) add_pack(index);
  const Evaluate& e = suite_.evaluate;
  Job validate = evaluation(m, "");
  validate.arguments = {"perplexity", m.model.string(), "--data", plan_.data, "--tokens", fmt::format("{}", e.tokens)};
  validate.flops = token_flops(m) * static_cast<double>(e.tokens);
  validate.memory_bytes = weight_bytes(m);
  plan_.models[index].validated_by = add_after(std::move(validate), m.made_by);
  if (!m.arm.empty()) return;
  if (!e.tasks.empty()) add_tasks(index);
  add_texts(index);
}

void Planner::add_pack(size_t index) {
  const PlannedModel& m = plan_.models[index];
  Job job;
  job.name = "pack-" + m.name, job.kind = JobKind::kPack, job.output = fs::path("packed") / m.name;
  job.proof = job.output / "config.json";
  job.arguments = {"pack",  m.model.string(),   "--format", m.config.family == model::Family::kBinary ? "1bit" : "2bit",
                   "--out", job.output.string()};
  job.disk_bytes = static_cast<uint64_t>(m.size_bits / 8 * 1.3);
  job.memory_bytes = weight_bytes(m);
  plan_.models[index].packed_by = add_after(std::move(job), m.made_by);
}

void Planner::add_tasks(size_t index) {
  const PlannedModel& m = plan_.models[index];
  const Evaluate& e = suite_.evaluate;
  Job tasks = evaluation(m, "-tasks");
  tasks.arguments = {"eval", m.model.string(), "--tasks", fmt::format("{}", fmt::join(e.tasks, ","))};
  for (const std::string& data : e.data) tasks.arguments.insert(tasks.arguments.end(), {"--data", task_data(tasks, data)});
  if (e.limit > 0) tasks.arguments.insert(tasks.arguments.end(), {"--limit", fmt::format("{}", e.limit)});
  tasks.flops = token_flops(m) * static_cast<double>(e.tasks.size()) * static_cast<double>(e.limit > 0 ? e.limit : 2000) * 100;
  tasks.memory_bytes = weight_bytes(m);
  plan_.models[index].tasks_by = add_after(std::move(tasks), m.made_by);
}

void Planner::add_texts(size_t index) {
  const PlannedModel& m = plan_.models[index];
  const Evaluate& e = suite_.evaluate;
  for (const std::string& text : e.texts) {
    if (fs::is_directory(text))
      throw bad_input(fmt::format("{}: evaluate.texts: {} is a directory", e.origin, text), "name text files");
    const std::string stem = fs::path(text).filename().string();
    Job job = evaluation(m, "-" + stem);
    job.arguments = {"perplexity", m.model.string(), "--text", input(job, text, e.origin)};
    job.memory_bytes = weight_bytes(m);
    if (fs::is_regular_file(text)) job.flops = token_flops(m) * static_cast<double>(fs::file_size(text));
    plan_.models[index].texts_by.emplace_back(stem, add_after(std::move(job), m.made_by));
  }
}

Job Planner::evaluation(const PlannedModel& model, const std::string& of) {
  Job job;
  job.name = "evaluate-" + model.name + of, job.kind = JobKind::kEvaluate;
  return job;
}

size_t Planner::add_after(Job job, size_t maker) {
  job.arguments.emplace_back("--json");
  job.after = {maker};
  if (job.kind == JobKind::kEvaluate && prepared_ == kNoJob && job.inputs.empty()) job.inputs = {plan_.data};
  return add(std::move(job));
}

void Planner::report() {
  Job job;
  job.name = "report", job.kind = JobKind::kReport, job.output = "report.html";
  job.arguments = {"report", ".", "--out", "report.html", "--json"};
  job.after.resize(plan_.jobs.size());
  std::iota(job.after.begin(), job.after.end(), size_t{0});
  add(std::move(job));
}

void Planner::require_different_names() const {
  std::set<std::string> names;
  for (const Job& job : plan_.jobs)
    if (!names.insert(job.name).second)
      throw bad_input(fmt::format("{}: two different jobs would be named {}", suite_.path.string(), job.name),
                      "rename a size, an arm or a text: their names are joined with '-'");
}

}  // namespace spectra::suite
