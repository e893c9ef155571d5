// SPDX-License-Identifier: Apache-2.0
#include "ranks/ranks.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "base/system.h"

namespace spectra::ranks {
namespace {

/// Nobody to talk to: there are no messages, and rank 0's values are everyone's.
class SingleRank final : public Ranks {
 public:
  SingleRank() : Ranks(0, 1, 1) {}
  size_t send(int, const void*, size_t) override { return 0; }
  size_t receive(int, void*, size_t) override { return 0; }
  size_t broadcast(int, void*, size_t) override { return 0; }
  bool progress(size_t) override { return true; }
  void wait(size_t) override {}
  void wait_all() override {}
  std::vector<double> gather(std::span<const double> values) override { return {values.begin(), values.end()}; }
  std::string from_first(const std::string& text) override { return text; }
  void abandon(const Error&) override {}
};

int number(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? 0 : std::atoi(value);
}

}  // namespace

std::unique_ptr<Ranks> single_rank() { return std::make_unique<SingleRank>(); }

int launched_ranks() {
  // Open MPI's mpirun, MPICH's and Intel's (Hydra), and Slurm's srun with --mpi=pmix.
  const bool slurm = std::getenv("PMIX_RANK") != nullptr && std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr;
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
    if (const int count = number(name); count > 0) return count;
  return slurm ? std::max(1, number("SLURM_NTASKS")) : 1;
}

int threads_of_a_rank(const Ranks& ranks) {
  const int cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)), share = std::max(1, cores / ranks.here());
  if (ranks.size() > 1 && ranks.first() && cpu_count() < share)
    log_warning("the launcher binds each rank to {} of its {} cores; start mpirun with --bind-to none to use them all", cpu_count(),
                share);
  return std::min(cpu_count(), share);
}

}  // namespace spectra::ranks
