// SPDX-License-Identifier: Apache-2.0
#include "suite/plan.h"

#include <fnmatch.h>

#include <algorithm>
#include <numeric>

#include "analysis/run.h"
#include "base/error.h"
#include "base/system.h"
#include "eval/evaluate.h"
#include "eval/find_data.h"
#include "eval/task.h"
#include "format/token_data.h"
#include "text/tokenizer.h"
#include "train/plan.h"

namespace spectra::suite {
namespace {

constexpr double kBytesOfToken = 2, kBytesOfStory = 1000, kScaleBits = 32;  // a group's scale and zero point, as the paper counts
constexpr int64_t kLarge = 50'000'000;                                      ///< parameters above which a job takes all cores

std::string absolute(const std::string& path) { return fs::absolute(path).lexically_normal().string(); }

/// Builds the plan job by job.
class Planner {
 public:
  Planner(const Suite& suite, bool quick) : suite_(suite), quick_(quick) {}

  Plan build() {
    find_vocabulary();
    check_tasks();
    prepare();
    for (const Size& size : suite_.sizes)
      if (wanted(size.name))
        for (const std::string& family : suite_.families)
          for (const int64_t seed : suite_.seeds) {
            const size_t trained = train(family, size, seed, nullptr);
            if (family == "float")
              for (const int64_t bits : suite_.quantize.bits) quantize(trained, static_cast<int>(bits));
          }
    for (const Arm& arm : suite_.arms) train_arm(arm);
    choose_threads();
    for (size_t i = 0; i < plan_.models.size(); ++i) finish_model(i);
    report();
    return std::move(plan_);
  }

 private:
  bool wanted(const std::string& size) const {
    const auto& sizes = suite_.quick_sizes;
    return !quick_ || sizes.empty() || std::find(sizes.begin(), sizes.end(), size) != sizes.end();
  }

  /// A file or directory of the user's: absolute, because jobs run in the suite's directory.
  std::string input(Job& job, const std::string& path) {
    const std::string full = absolute(path);
    job.inputs.emplace_back(full);
    if (!fs::exists(full) && std::find(plan_.missing.begin(), plan_.missing.end(), full) == plan_.missing.end())
      plan_.missing.emplace_back(full);
    return full;
  }

  /// A directory, or TASK=FILE.
  std::string task_data(Job& job, const std::string& data) {
    const size_t equals = data.find('=');
    if (equals == std::string::npos || fs::exists(data)) return input(job, data);
    return data.substr(0, equals + 1) + input(job, data.substr(equals + 1));
  }

  size_t add(Job job) {
    plan_.jobs.push_back(std::move(job));
    return plan_.jobs.size() - 1;
  }

  /// Entries of the tokenizer; where it is not there yet, of the paper's.
  void find_vocabulary() {
    const Data& data = suite_.data;
    vocab_ = data.vocabulary;
    if (!data.tokenizer.empty())
      vocab_ = fs::exists(data.tokenizer) ? text::Tokenizer::load(data.tokenizer).vocab_size() : train::kPaperTokenizerEntries;
    if (!data.path.empty()) {
      const bool found = format::TokenData::recognize(data.path);
      vocab_ = found ? format::TokenData(data.path).info().vocab : train::kPaperTokenizerEntries;
      plan_.data = absolute(data.path);
      if (!found) plan_.missing.emplace_back(plan_.data);
    }
  }

  void check_tasks() const {
    for (const std::string& task : suite_.evaluate.tasks) {
      try {
        eval::load_task(task);
      } catch (const Error& error) {
        throw bad_input(fmt::format("{}: evaluate.tasks: {}", suite_.evaluate.origin, error.what()), error.hint());
      }
    }
  }

  void prepare() {
    if (!plan_.data.empty()) return;
    plan_.data = "data";
    const Data& data = suite_.data;
    Job job;
    job.name = "prepare", job.kind = JobKind::kPrepare, job.output = "data";
    std::vector<std::string>& a = job.arguments = {"prepare"};
    double bytes = 0;
    if (!data.synthetic.empty()) {
      a.insert(a.end(), {"--synthetic", data.synthetic, "--stories", fmt::format("{}", data.stories)});
      bytes = static_cast<double>(data.stories) * kBytesOfStory;
    }
    for (const std::string& file : data.text) {
      a.push_back(input(job, file));
      if (fs::is_regular_file(file)) bytes += 4 * static_cast<double>(fs::file_size(file));  // it may be compressed
    }
    for (const std::string& file : data.valid) a.insert(a.end(), {"--valid", input(job, file)});
    if (data.valid_fraction > 0) a.insert(a.end(), {"--valid-fraction", fmt::format("{}", data.valid_fraction)});
    a.insert(a.end(), {"--seed", fmt::format("{}", data.seed)});
    if (data.tokenizer.empty())
      a.insert(a.end(), {"--train-tokenizer", fmt::format("{}", data.vocabulary)});
    else
      a.insert(a.end(), {"--tokenizer", input(job, data.tokenizer)});
    a.insert(a.end(), {"--out", "data", "--json"});
    job.disk_bytes = static_cast<uint64_t>(bytes / 3 * kBytesOfToken);
    prepared_ = add(std::move(job));
  }

  /// The recipe of one run and what it takes. Whatever does not fit is told with the line of its size or arm.
  train::Plan plan_run(const std::string& family, const Size& size, int64_t seed, const Arm* arm, std::string& recipe_text) const {
    const std::string& origin = arm != nullptr ? arm->origin : size.origin;
    try {
      Settings settings = run_settings(suite_, family, size, seed, arm, quick_);
      settings.push_back({"data.path", plan_.data, suite_.data.origin});
      const train::Recipe recipe = train::make_recipe(settings, origin);
      recipe_text = train::recipe_to_toml(recipe);
      return train::make_plan(recipe, vocab_, 0);
    } catch (const Error& error) {
      const std::string what = error.what();
      const bool has_line = what.rfind(suite_.path.string() + ":", 0) == 0 || what.rfind("--set:", 0) == 0;
      throw Error(error.code(), has_line ? what : fmt::format("{}: {} {}: {}", origin, family, size.name, what), error.hint());
    }
  }

  size_t train(const std::string& family, const Size& size, int64_t seed, const Arm* arm) {
    Job job;
    const train::Plan run = plan_run(family, size, seed, arm, job.recipe);
    PlannedModel model;
    model.name = fmt::format("{}-{}{}-seed{}", family, size.name, arm == nullptr ? "" : "-" + arm->name, seed);
    for (size_t i = 0; i < plan_.models.size(); ++i)
      if (plan_.models[i].name == model.name) return i;
    model.size = size.name, model.arm = arm == nullptr ? "" : arm->name, model.seed = seed;
    model.config = run.config, model.tokens = run.tokens;
    model.bits_per_weight = analysis::bits_per_weight(run.config.family);
    model.size_bits = size_bits(model);
    model.run = fs::path("runs") / model.name;
    model.model = model.run / "checkpoints" / fmt::format("step-{:08d}", run.steps);
    job.name = "train-" + model.name, job.kind = JobKind::kTrain, job.output = model.run;
    job.arguments = {"train", fmt::format("recipes/{}.toml", model.name), "--out", model.run.string(), "--json"};
    job.flops = run.total_flops(), job.disk_bytes = run.disk_bytes, job.memory_bytes = run.memory_bytes();
    if (prepared_ != kNoJob)
      job.after = {prepared_};
    else
      job.inputs = {plan_.data};
    model.made_by = add(std::move(job));
    largest_ = std::max(largest_, run.parameters.total());
    plan_.models.push_back(std::move(model));
    return plan_.models.size() - 1;
  }

  /// Its runs, and those of the suite's own recipe that they are compared with.
  void train_arm(const Arm& arm) {
    for (const std::string& name : arm.sizes) {
      if (!wanted(name)) continue;
      for (const int64_t seed : arm.seeds) {
        train(arm.family, suite_.size(name), seed, nullptr);
        train(arm.family, suite_.size(name), seed, &arm);
      }
    }
  }

  /// The paper counts its own sizes with one vocabulary; other models are counted with theirs.
  double size_bits(const PlannedModel& model) const {
    const auto sizes = model::spectra_sizes();
    const bool of_paper = std::any_of(sizes.begin(), sizes.end(), [&](const model::Size& s) {
      return s.hidden == model.config.hidden && s.glu == model.config.glu && s.layers == model.config.layers && vocab_ > 50'000;
    });
    return model::size_in_bits(model.config, model.bits_per_weight, of_paper ? 0 : model.config.vocab);
  }

  void quantize(size_t of, int bits) {
    const Quantize& q = suite_.quantize;
    PlannedModel model = plan_.models[of];
    model.parent = model.name;
    model.name = fmt::format("{}-{}bit", model.name, bits);
    model.quantized_bits = bits;
    const int64_t group = group_size(model, bits);
    model.bits_per_weight = bits + (group > 0 ? kScaleBits / static_cast<double>(group) : 0);
    model.size_bits = size_bits(model);
    const fs::path from = model.model;
    model.model = fs::path("models") / model.name, model.run.clear();
    Job job;
    job.name = "quantize-" + model.name, job.kind = JobKind::kQuantize, job.output = model.model;
    job.arguments = {"quantize",      from.string(), "--bits",    fmt::format("{}", bits),     "--method", q.method,
                     "--calibration", plan_.data,    "--samples", fmt::format("{}", q.samples)};
    if (q.sequence > 0) job.arguments.insert(job.arguments.end(), {"--sequence", fmt::format("{}", q.sequence)});
    if (q.group_size != 0) job.arguments.insert(job.arguments.end(), {"--group-size", fmt::format("{}", q.group_size)});
    job.arguments.insert(job.arguments.end(), {"--out", model.model.string(), "--json"});
    job.after = {model.made_by};
    // Two forward passes over the calibration text, and the second moments of every matrix's inputs.
    const model::ParameterCount count = model::count_parameters(model.config);
    const double tokens = static_cast<double>(q.samples * (q.sequence > 0 ? q.sequence : model.config.max_position));
    const double linear = static_cast<double>(count.linear);
    job.flops = tokens * 4 * linear + (tokens + static_cast<double>(model.config.glu)) * 2 * linear;
    job.disk_bytes = static_cast<uint64_t>(model.size_bits / 8 * 1.1);
    model.made_by = add(std::move(job));
    plan_.models.push_back(std::move(model));
  }

  /// As `spectra quantize` chooses it: 128 at 3 and 4 bits where that divides all widths.
  int64_t group_size(const PlannedModel& model, int bits) const {
    const int64_t given = suite_.quantize.group_size;
    const int64_t common = std::gcd(model.config.hidden, model.config.glu);
    if (given > 0 && common % given != 0)
      throw bad_input(fmt::format("{}: quantize.group_size = {} does not divide the rows of size {}: {} and {} columns",
                                  suite_.quantize.origin, given, model.size, model.config.hidden, model.config.glu),
                      "allowed: -1 (a scale a row), or a divisor of all widths");
    if (given != 0) return std::max<int64_t>(given, 0);
    if (bits > 4) return 0;
    for (int64_t group = 128; group >= 32; --group)
      if (common % group == 0) return group;
    return 0;
  }

  void choose_threads() {
    plan_.threads = suite_.threads > 0 ? static_cast<int>(suite_.threads) : largest_ >= kLarge ? cpu_count() : 1;
    const std::string threads = fmt::format("{}", plan_.threads);
    for (Job& job : plan_.jobs) job.arguments.insert(job.arguments.end(), {"--threads", threads});
  }

  /// What is done with a model once it is there.
  void finish_model(size_t index) {
    const PlannedModel& m = plan_.models[index];
    const bool low_bit = m.config.family != model::Family::kFloat;
    if (suite_.pack && low_bit && m.arm.empty()) {
      Job job;
      job.name = "pack-" + m.name, job.kind = JobKind::kPack, job.output = fs::path("packed") / m.name;
      job.arguments = {"pack",  m.model.string(),   "--format", m.config.family == model::Family::kBinary ? "1bit" : "2bit",
                       "--out", job.output.string()};
      job.disk_bytes = static_cast<uint64_t>(m.size_bits / 8 * 1.3);
      plan_.models[index].packed_by = add_after(std::move(job), m.made_by);
    }
    const Evaluate& e = suite_.evaluate;
    const double flops = 2 * static_cast<double>(model::count_parameters(m.config).total());  // of a token
    Job validate = evaluation(m, "");
    validate.arguments = {"perplexity", m.model.string(), "--data", plan_.data, "--tokens", fmt::format("{}", e.tokens)};
    validate.flops = flops * static_cast<double>(e.tokens);
    plan_.models[index].validated_by = add_after(std::move(validate), m.made_by);
    if (!m.arm.empty()) return;
    if (!e.tasks.empty()) {
      Job tasks = evaluation(m, "-tasks");
      tasks.arguments = {"eval", m.model.string(), "--tasks", fmt::format("{}", fmt::join(e.tasks, ","))};
      for (const std::string& data : e.data) tasks.arguments.insert(tasks.arguments.end(), {"--data", task_data(tasks, data)});
      if (e.limit > 0) tasks.arguments.insert(tasks.arguments.end(), {"--limit", fmt::format("{}", e.limit)});
      tasks.flops = flops * static_cast<double>(e.tasks.size()) * static_cast<double>(e.limit > 0 ? e.limit : 2000) * 100;
      plan_.models[index].tasks_by = add_after(std::move(tasks), m.made_by);
    }
    for (const std::string& text : e.texts) {
      const std::string stem = fs::path(text).filename().string();
      Job job = evaluation(m, "-" + stem);
      job.arguments = {"perplexity", m.model.string(), "--text", input(job, text)};
      if (fs::is_regular_file(text)) job.flops = flops * static_cast<double>(fs::file_size(text));
      plan_.models[index].texts_by.emplace_back(stem, add_after(std::move(job), m.made_by));
    }
  }

  static Job evaluation(const PlannedModel& model, const std::string& of) {
    Job job;
    job.name = "evaluate-" + model.name + of, job.kind = JobKind::kEvaluate;
    return job;
  }

  size_t add_after(Job job, size_t maker) {
    job.arguments.insert(job.arguments.end(), {"--json", "--threads", fmt::format("{}", plan_.threads)});
    job.after = {maker};
    if (job.kind == JobKind::kEvaluate && prepared_ == kNoJob && job.inputs.empty()) job.inputs = {plan_.data};
    return add(std::move(job));
  }

  void report() {
    Job job;
    job.name = "report", job.kind = JobKind::kReport, job.output = "report.html";
    job.arguments = {"report", ".", "--out", "report.html", "--json"};
    job.after.resize(plan_.jobs.size());
    std::iota(job.after.begin(), job.after.end(), size_t{0});
    add(std::move(job));
  }

  const Suite& suite_;
  bool quick_;
  Plan plan_;
  int64_t vocab_ = 0, largest_ = 0;
  size_t prepared_ = kNoJob;
};

}  // namespace

const char* job_kind_name(JobKind kind) {
  static const char* const kNames[] = {"prepare", "train", "quantize", "pack", "evaluate", "report"};
  return kNames[static_cast<size_t>(kind)];
}

double Plan::flops() const {
  return std::accumulate(jobs.begin(), jobs.end(), 0.0, [](double sum, const Job& job) { return sum + job.flops; });
}

uint64_t Plan::disk_bytes() const {
  return std::accumulate(jobs.begin(), jobs.end(), uint64_t{0}, [](uint64_t sum, const Job& job) { return sum + job.disk_bytes; });
}

Plan make_plan(const Suite& suite, bool quick) { return Planner(suite, quick).build(); }

void require_inputs(const Suite& suite, const Plan& plan) {
  const Evaluate& e = suite.evaluate;
  if (plan.missing.empty() && !e.tasks.empty()) {
    const eval::DataFinder finder(e.data);
    for (const std::string& task : e.tasks) eval::prepare_task(eval::load_task(task), finder, e.limit, -1);
  }
  if (plan.missing.empty()) return;
  throw bad_input(fmt::format("{}: there is no {}", suite.path.string(), plan.missing[0].string()),
                  plan.missing.size() == 1 ? "give another path, also with --set data.path=..., data.text=..., data.tokenizer=..."
                                           : fmt::format("and {} more are missing", plan.missing.size() - 1));
}

std::vector<bool> select_jobs(const Plan& plan, const std::string& pattern) {
  std::vector<bool> selected(plan.jobs.size(), pattern.empty());
  for (size_t i = plan.jobs.size(); i-- > 0;) {
    if (fnmatch(pattern.c_str(), plan.jobs[i].name.c_str(), 0) == 0) selected[i] = true;
    if (selected[i] && plan.jobs[i].kind != JobKind::kReport)
      for (const size_t needed : plan.jobs[i].after) selected[needed] = true;
  }
  if (std::none_of(selected.begin(), selected.end(), [](bool s) { return s; }))
    throw Error(Exit::kUsage, fmt::format("no job is named {}", pattern), "--list shows them all; * stands for any characters");
  return selected;
}

}  // namespace spectra::suite
