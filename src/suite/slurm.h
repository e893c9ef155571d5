// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <vector>

#include "suite/plan.h"

namespace spectra::suite {

struct SlurmPlace {
  std::vector<std::string> command;  ///< words of the suite's command line
  fs::path cwd;                      ///< where its paths hold
  fs::path logs;                     ///< absolute directory
};

/// Scripts for Slurm by file name: arrays for each kind of job, whose elements run one of the `selected` jobs each, with the
/// command and --job NAME, and submit.sh, which submits them all. An array begins when those that it needs have ended: an element
/// whose own needs failed says so and ends, the others go on.
std::map<std::string, std::string> slurm_scripts(const Suite& suite, const Plan& plan, const std::vector<bool>& selected,
                                                 const SlurmPlace& place);

}  // namespace spectra::suite
