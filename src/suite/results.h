// SPDX-License-Identifier: Apache-2.0
#pragma once
// DIR/results.json ("spectra.suite/1"): what the suite knows so far; docs/json.md explains its keys, `spectra report DIR` shows it.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "suite/plan.h"
#include "suite/record.h"

namespace spectra::suite {

enum class State : uint8_t { kWaiting, kRunning, kDone, kFailed };
const char* state_name(State state);

struct Progress {
  std::vector<State> states;                      ///< of every job of the plan
  std::vector<std::optional<Record>> records;     ///< of those that are done
  std::map<std::string, double> training_losses;  ///< by model: mean of the last 1 % of the steps, at least 20
  std::string started, command;
  double seconds = 0;  ///< that the suite ran, all attempts together
};

/// Of the run's log.jsonl; nullopt where it has no step.
std::optional<double> training_loss(const fs::path& log);

std::string results_json(const Suite& suite, const Plan& plan, const fs::path& directory, const Progress& progress);

/// Name of the suite whose results are there; empty where there are none.
std::string earlier_name(const fs::path& directory);
/// `started` and `seconds` of the results that are there; empty and 0 where there are none.
std::pair<std::string, double> earlier_time(const fs::path& directory);

}  // namespace spectra::suite
