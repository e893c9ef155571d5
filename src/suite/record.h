// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is known of a suite's jobs: hashes of what they are made from, and DIR/jobs/NAME.json for each that is done.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "suite/plan.h"

namespace spectra::suite {

/// sha256 of each job's arguments, recipe (what of it the weights depend on), contents of the user's files among them, version of
/// this program, and of the same of the jobs that it needs: equal hashes make equal outputs. Where files lie does not count. Whole
/// files are read, once each. That of the page says nothing before hash_of_page().
std::vector<std::string> input_hashes(const Plan& plan);

/// The page is made from the jobs that are done then.
std::string hash_of_page(const Suite& suite, const std::vector<std::string>& hashes, const std::vector<bool>& done);

struct Record {
  std::string inputs;   ///< input hash
  double seconds = 0;   ///< of the job's last attempt
  std::string started;  ///< UTC
  std::string result;   ///< JSON object that the command printed
};

/// DIR/jobs/NAME.json where it is there, whole and of these inputs, and the job's output is there too; else nullopt.
std::optional<Record> done_record(const fs::path& directory, const Job& job, const std::string& inputs);
/// Whether there is a record of any inputs.
bool was_done(const fs::path& directory, const Job& job);
void write_record(const fs::path& directory, const Job& job, const Record& record);

enum class Attempt : uint8_t { kNew, kContinued, kDone };

/// Before a job starts: keeps in DIR/jobs/NAME.started what it is made from. What an attempt with other inputs left is put aside as
/// NAME.old-HASH, and comes back with its inputs: kContinued where there is something to continue, kDone where the job had ended.
/// Throws Error (exit 3) where something is in the way that no job left.
Attempt begin_attempt(const fs::path& directory, const Job& job, const std::string& inputs);

}  // namespace spectra::suite
