// SPDX-License-Identifier: Apache-2.0
#pragma once
// A suite as a graph of jobs: prepare -> train -> quantize, pack -> evaluate -> report. Every job is one `spectra` command that
// runs in the suite's directory; all its paths are relative to it but those of the user's own files.
#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"
#include "suite/suite.h"

namespace spectra::suite {

enum class JobKind : uint8_t { kPrepare, kTrain, kQuantize, kPack, kEvaluate, kReport };
const char* job_kind_name(JobKind kind);  ///< "prepare", "train", ...
constexpr JobKind kJobKinds[] = {JobKind::kPrepare, JobKind::kTrain,    JobKind::kQuantize,
                                 JobKind::kPack,    JobKind::kEvaluate, JobKind::kReport};

struct Job {
  std::string name;
  JobKind kind = JobKind::kPrepare;
  std::vector<std::string> arguments;  ///< after `spectra`
  std::vector<fs::path> inputs;        ///< the user's files and directories among them, whose contents count
  std::string recipe;                  ///< of a training: written to recipes/NAME.toml
  std::string recipe_sha256;           ///< of what of it the weights depend on
  fs::path output;                     ///< relative directory or file that the job makes; empty = its result is all
  fs::path proof;                      ///< relative file of the output that is there once it is whole
  std::vector<size_t> after;           ///< jobs that it needs, all before it in the plan
  double flops = 0, seconds = 0;       ///< estimated: what it computes, and how long the rest takes
  uint64_t disk_bytes = 0, memory_bytes = 0;
};

constexpr size_t kNoJob = SIZE_MAX;

/// One model of the study: trained, or quantized from one that was.
struct PlannedModel {
  std::string name, size, arm, parent;
  model::Config config;
  int quantized_bits = 0;
  int64_t seed = 0, tokens = 0;
  double bits_per_weight = 0, size_bits = 0;
  fs::path model, run;  ///< relative; run is empty for a quantized model
  size_t made_by = kNoJob, packed_by = kNoJob, validated_by = kNoJob, tasks_by = kNoJob;
  std::vector<std::pair<std::string, size_t>> texts_by;
};

/// A file of the user's that is not there, and the line that names it.
struct Missing {
  fs::path path;
  std::string origin;
};

struct Plan {
  std::vector<Job> jobs;  ///< every job after those that it needs
  std::vector<PlannedModel> models;
  std::string data;  ///< token data: "data" in the directory, or the user's
  std::vector<Missing> missing;
  int threads = 1;          ///< of every job
  bool own_threads = true;  ///< chosen here, for this machine: results do not count as others on a machine that chooses otherwise

  /// Of the program that runs a job.
  std::vector<std::string> arguments(const Job& job) const;
};

/// Has the dimensions of one of the paper's sizes, which are counted as it counts them.
bool is_paper_size(const model::Config& config);
/// The paper's sizes with its vocabulary, others with their own.
double counted_bits(const model::Config& config, double bits_per_weight);

/// Throws Error (exit 3) naming the line of the suite file: dimensions that do not fit, a recipe's values, an unknown task. Files
/// that are not there are listed, not refused.
Plan make_plan(const Suite& suite, bool quick = false);

/// Throws Error (exit 3) naming the file that is missing, or the task whose documents are not found.
void require_inputs(const Suite& suite, const Plan& plan);

/// The jobs whose names fit `pattern` (as file names: * ? [ ]), and all that they need. Throws Error (exit 2) where none fits.
std::vector<bool> select_jobs(const Plan& plan, const std::string& pattern);

}  // namespace spectra::suite
