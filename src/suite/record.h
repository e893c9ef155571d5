// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is known of a suite's jobs: hashes of what they are made from, and DIR/jobs/NAME.json for each that is done.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "suite/plan.h"

namespace spectra::suite {

/// sha256 of each job's arguments, recipe, contents of the user's files among them, version of this program, and of the same of the
/// jobs that it needs: equal hashes make equal outputs. Whole files are read, once each.
std::vector<std::string> input_hashes(const Plan& plan);

struct Record {
  std::string inputs;   ///< input hash
  double seconds = 0;   ///< of the job, in all its attempts that ended by themselves
  std::string started;  ///< UTC
  std::string result;   ///< JSON object that the command printed
};

/// DIR/jobs/NAME.json where it is there, whole and of these inputs, and the job's output is there too; else nullopt.
std::optional<Record> done_record(const fs::path& directory, const Job& job, const std::string& inputs);
/// Whether there is a record of any inputs.
bool was_done(const fs::path& directory, const Job& job);
void write_record(const fs::path& directory, const Job& job, const Record& record);

/// Before a job starts: keeps in DIR/jobs/NAME.started what it is made from. True where an attempt with the same inputs left
/// something to continue. Whatever another attempt left at the job's output is removed, inside DIR only.
bool begin_attempt(const fs::path& directory, const Job& job, const std::string& inputs);

}  // namespace spectra::suite
