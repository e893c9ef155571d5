// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who runs a suite's jobs: this process, and the others that `mpirun -n N spectra suite` started with it, on any host that sees the
// suite's directory. Rank 0 hands out; the others start what they are told and say how it ended.
#include <cstdint>
#include <memory>
#include <vector>

#include "base/stopwatch.h"
#include "ranks/ranks.h"
#include "suite/plan.h"

namespace spectra::suite {

struct Ended {
  size_t job;
  int code;        ///< exit code
  double seconds;  ///< that it ran
};

/// Processes of one rank.
class Hands {
 public:
  Hands(const Plan& plan, fs::path directory) : plan_(plan), directory_(std::move(directory)) {}
  /// `resume`: the job continues what an earlier attempt left.
  void start(size_t job, bool resume);
  std::vector<Ended> collect();
  /// Once each: a second signal would end a process before it has saved.
  void interrupt();
  size_t busy() const { return running_.size() + failed_.size(); }

 private:
  struct Running {
    size_t job;
    pid_t process;
    Stopwatch time;
    bool interrupted = false;
  };
  const Plan& plan_;
  fs::path directory_;
  std::vector<Running> running_;
  std::vector<Ended> failed_;  // before they began
};

fs::path stdout_of(const fs::path& directory, const Job& job);
fs::path log_of(const fs::path& directory, const Job& job);

/// All ranks' hands, as rank 0 sees them.
class Crew {
 public:
  /// `slots`: jobs side by side on each rank.
  Crew(const Plan& plan, const fs::path& directory, int slots, ranks::Ranks& ranks);
  ~Crew();  ///< the other ranks end
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  bool has_room() const { return emptiest() != kNobody; }
  size_t slots() const { return slots_ * (others_.size() + 1); }  ///< of all ranks
  size_t busy() const;
  void start(size_t job, bool resume);
  std::vector<Ended> collect();
  /// Asks every process of every rank to save and end.
  void interrupt();
  /// Whether another rank was told to end by a signal.
  bool interrupted() const { return interrupted_; }

 private:
  static constexpr int kNobody = -1;
  struct Other;
  int emptiest() const;

  Hands own_;
  size_t slots_;
  ranks::Ranks& ranks_;
  std::vector<std::unique_ptr<Other>> others_;
  bool interrupted_ = false;
};

/// What every rank but the first does, until rank 0 has no more work.
void work_for_first(const Plan& plan, const fs::path& directory, ranks::Ranks& ranks);

}  // namespace spectra::suite
