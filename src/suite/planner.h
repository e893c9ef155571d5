// SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes a plan, job by job: planner_data.cc what models are trained on, planner_models.cc the models, planner_after.cc what is done
// with them.
#include "suite/plan.h"
#include "train/plan.h"

namespace spectra::suite {

class Planner {
 public:
  Planner(const Suite& suite, bool quick) : suite_(suite), quick_(quick) {}
  Plan build();

 private:
  /// Whether --quick has it.
  bool wanted(const std::string& size) const;
  size_t add(Job job);  ///< its place in the plan
  /// A file or directory of the user's: absolute, because jobs run in the suite's directory. `origin`: where it is named.
  std::string input(Job& job, const std::string& path, const std::string& origin);
  /// A directory, or TASK=FILE.
  std::string task_data(Job& job, const std::string& data);
  /// Entries of the tokenizer; where it is not there yet, of the paper's.
  void find_vocabulary();
  void check_tasks() const;
  void prepare();
  /// The recipe of one run and what it takes. Whatever does not fit is told with the line of its size or arm.
  train::Plan plan_run(const std::string& family, const Size& size, int64_t seed, const Arm* arm, Job& job) const;
  /// The model's place in the plan; one that is there already is not trained twice.
  size_t train(const std::string& family, const Size& size, int64_t seed, const Arm* arm);
  /// Its runs, and those of the suite's own recipe that they are compared with.
  void train_arm(const Arm& arm);
  void quantize(size_t of, int bits);
  /// Columns that share a scale, as `spectra quantize` chooses them: at 3 and 4 bits the most from 128 down to 32 that divide all
  /// widths; 0 = all of a row.
  int64_t group_size(const PlannedModel& model, int bits) const;
  void choose_threads();
  /// Adds what is done with a model once it is there: it is packed, and its evaluations run.
  void finish_model(size_t index);
  void add_pack(size_t index);
  void add_tasks(size_t index);
  void add_texts(size_t index);
  static Job evaluation(const PlannedModel& model, const std::string& of);
  /// Adds what reads the model that `maker` makes.
  size_t add_after(Job job, size_t maker);
  void report();
  /// Names are made of several parts, and two different things may end up with one.
  void require_different_names() const;

  const Suite& suite_;
  bool quick_;
  Plan plan_;
  int64_t vocab_ = 0;         ///< entries of the tokenizer
  int64_t largest_ = 0;       ///< parameters of the largest model
  size_t prepared_ = kNoJob;  ///< the job that makes the data, where there is one
};

}  // namespace spectra::suite
