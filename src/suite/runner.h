// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs the jobs of a plan that are not done yet, several side by side, and keeps DIR/results.json up to date. A suite that was
// stopped anywhere, by a signal or kill -9, continues: finished jobs are known by their records, trainings resume.
#include <string>
#include <vector>

#include "ranks/ranks.h"
#include "suite/plan.h"

namespace spectra::suite {

/// Where a suite stands, and what of it is wanted.
struct Standing {
  std::vector<std::string> hashes;  ///< of input_hashes()
  std::vector<bool> done, selected;

  bool left(size_t job) const { return selected[job] && !done[job]; }
};
/// `only`: pattern of job names, empty = all; `job`: that one alone. Throws Error (exit 2) where none fits.
Standing standing_of(const Suite& suite, const Plan& plan, const fs::path& directory, const std::string& only = "",
                     const std::string& job = "");

struct RunOptions {
  int jobs = 1;                 ///< side by side, on each rank
  bool alone = false;           ///< one job alone, whose needs must be done: an element of a cluster's array
  std::string command;          ///< that continues the suite, for messages and results
  std::vector<double> seconds;  ///< that each job is expected to take
};

struct Outcome {
  size_t done = 0, ran = 0;         ///< jobs that are done in all, and those of them that this call ran
  size_t blocked = 0;               ///< selected jobs that wait for others
  std::vector<std::string> failed;  ///< names
  double seconds = 0;               ///< of the suite, all attempts together
};

/// Rank 0's part; the others call work_for_first(). Throws Error: exit 3 where another suite runs in `directory` or it holds
/// something else; 130 on an interrupt, after all processes have saved and ended. A job that fails is in the outcome; what does not
/// need it goes on.
Outcome run_suite(const Suite& suite, const Plan& plan, const Standing& standing, const fs::path& directory,
                  const RunOptions& options, ranks::Ranks& ranks);

}  // namespace spectra::suite
