// SPDX-License-Identifier: Apache-2.0
#include "ranks/ranks.h"

namespace spectra::ranks {

std::unique_ptr<Ranks> join_ranks() {
  if (launched_ranks() > 1)
    throw Error(Exit::kUsage,
                fmt::format("{} processes were started together, but this spectra was built without MPI", launched_ranks()),
                "install libopenmpi-dev and build again, or start one process");
  return single_rank();
}

std::string mpi_version() { return "none"; }

}  // namespace spectra::ranks
