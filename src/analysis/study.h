// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `spectra suite` wrote into DIR/results.json ("spectra.suite/1"): the data, the jobs and the models that are done.
// A suite that still runs is read the same way; what is not known yet is NaN or empty.
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "model/config.h"

namespace spectra::analysis {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

struct StudyData {
  std::string path, sha256;
  double vocab = kUnknown, train_tokens = kUnknown, valid_tokens = kUnknown;
};

struct StudyJob {
  std::string name, kind, state, command;
  double seconds = kUnknown, flops = kUnknown;
};

/// One metric of one task.
struct StudyScore {
  double value = kUnknown, standard_error = kUnknown, documents = kUnknown;
};

struct StudyText {
  double nll = kUnknown, perplexity = kUnknown, tokens = kUnknown;  ///< nats a token
};

struct StudyModel {
  std::string name, size, arm;  ///< arm: the ablation's name, empty for the suite's own models
  model::Family family = model::Family::kFloat;
  int quantized_bits = 0;  ///< bits of a weight of a QuantLM; 0 = not quantized
  int64_t seed = 0, shards = 1;
  double parameters = kUnknown, linear_parameters = kUnknown, bits_per_weight = kUnknown;
  double size_bits = kUnknown, disk_bytes = kUnknown, tokens = kUnknown;
  double training_loss = kUnknown, validation_loss = kUnknown, validation_tokens = kUnknown;  ///< nats a token
  fs::path model, run;                                             ///< absolute; run is empty for a QuantLM
  std::string parent;                                              ///< the FloatLM that was quantized
  std::map<std::string, std::map<std::string, StudyScore>> tasks;  ///< by task and metric
  std::map<std::string, StudyText> texts;
};

struct Study {
  fs::path directory;  ///< absolute
  fs::path given;      ///< the path as the user gave it
  std::string name, title, suite_sha256, version, machine, started, command;
  double seconds = kUnknown;
  bool finished = false;
  std::vector<StudyData> data;
  std::vector<StudyJob> jobs;
  std::vector<StudyModel> models;
};

/// Whether `path` is a directory that `spectra suite` writes into, or the results.json in it.
bool is_study(const fs::path& path);
/// Throws Error (exit 3) naming the file and the place in it ("results.json, models[3].family: ...").
Study read_study(const fs::path& directory);

}  // namespace spectra::analysis
