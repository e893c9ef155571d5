// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <vector>

#include "suite/plan.h"

namespace spectra::suite {

/// Scripts for Slurm by file name: an array for each kind of job, whose elements run one job each with `command` and --job NAME,
/// and submit.sh, which submits them all, each after those that it needs. `command`: words of the suite's command line. `cwd`:
/// where its paths hold. `logs`: absolute directory.
std::map<std::string, std::string> slurm_scripts(const Suite& suite, const Plan& plan, const std::vector<std::string>& command,
                                                 const fs::path& cwd, const fs::path& logs);

}  // namespace spectra::suite
