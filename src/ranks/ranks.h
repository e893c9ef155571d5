// SPDX-License-Identifier: Apache-2.0
#pragma once
// The processes of one data-parallel training, `mpirun -n N spectra train ...`. A process by itself is rank 0 of 1. Every rank
// makes the same calls in the same order; transfers are started, move on in progress(), and are complete after wait(). Only the
// training thread calls these: no thread works behind its back.
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace spectra::ranks {

class Ranks {
 public:
  Ranks(int rank, int size, int here) : rank_(rank), size_(size), here_(here) {}
  virtual ~Ranks() = default;
  int rank() const { return rank_; }
  int size() const { return size_; }
  /// Ranks on this host, which share its memory and cores.
  int here() const { return here_; }
  /// Rank 0 alone writes files and speaks to the user.
  bool first() const { return rank_ == 0; }

  /// Start a transfer; the memory stays untouched until it is complete. Messages between two ranks arrive in order. Returns a
  /// ticket.
  virtual size_t send(int to, const void* data, size_t bytes) = 0;
  virtual size_t receive(int from, void* data, size_t bytes) = 0;
  virtual size_t broadcast(int from, void* data, size_t bytes) = 0;
  /// Lets started transfers move on; true when that of `ticket` is complete.
  virtual bool progress(size_t ticket) = 0;
  virtual void wait(size_t ticket) = 0;
  virtual void wait_all() = 0;  ///< tickets end here

  /// The values of all ranks, rank by rank, on every rank. All give the same number of values. Returns when done.
  virtual std::vector<double> gather(std::span<const double> values) = 0;
  /// Rank 0's text on every rank. Returns when done.
  virtual std::string from_first(const std::string& text) = 0;

  /// This rank alone cannot go on: says why and ends all ranks with the error's exit code. A single process just returns, and so
  /// does an interrupt, which all ranks see together: then the error is to be thrown on.
  virtual void abandon(const Error& error) = 0;

 private:
  int rank_, size_, here_;
};

/// A process by itself.
std::unique_ptr<Ranks> single_rank();
/// What the process was started as: single, or a rank of mpirun's (or of another launcher that sets its variables). Throws Error
/// when several were started and this build has no MPI: they would write over each other.
std::unique_ptr<Ranks> join_ranks();
/// Processes that a launcher started together with this one, by its environment; 1 = by itself.
int launched_ranks();
/// Threads of a rank that was not told: the cores it may run on, at most its share of the host's. Warns where the launcher has
/// bound it to fewer.
int threads_of_a_rank(const Ranks& ranks);
/// The MPI library this build uses; "none".
std::string mpi_version();

}  // namespace spectra::ranks
