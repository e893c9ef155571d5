// SPDX-License-Identifier: Apache-2.0
// What needs no launcher; tests/integration/test_ranks.py has the rest.
#include "ranks/ranks.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace spectra::ranks {
namespace {

using Variables = std::map<std::string, std::string>;

/// Sets variables for a test and takes them away again.
class Environment {
 public:
  explicit Environment(Variables variables) : variables_(std::move(variables)) {
    for (const auto& variable : variables_) setenv(variable.first.c_str(), variable.second.c_str(), 1);
  }
  ~Environment() {
    for (const auto& variable : variables_) unsetenv(variable.first.c_str());
  }

 private:
  Variables variables_;
};

TEST(Ranks, LaunchersAreKnownByTheirVariables) {
  EXPECT_EQ(launched_ranks(), 1);
  {
    const Environment open_mpi(Variables{{"OMPI_COMM_WORLD_SIZE", "8"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}, {"PMIX_RANK", "3"}});
    EXPECT_EQ(launched_ranks(), 8);
  }
  {
    const Environment hydra(Variables{{"PMI_SIZE", "2"}});
    EXPECT_EQ(launched_ranks(), 2);
  }
  const Environment slurm(Variables{{"PMIX_RANK", "0"}, {"SLURM_NTASKS", "6"}});
  EXPECT_EQ(launched_ranks(), 6);
}

TEST(Ranks, WithoutMpiSeveralProcessesAreRefused) {
  if (mpi_version() != "none") {  // the sanitizer build has none
    EXPECT_NE(mpi_version().find("MPI"), std::string::npos) << mpi_version();
    return;
  }
  EXPECT_EQ(join_ranks()->size(), 1);
  const Environment launched(Variables{{"OMPI_COMM_WORLD_SIZE", "2"}});
  EXPECT_THROW(join_ranks(), Error);
}

TEST(Ranks, AProcessByItselfHearsItself) {
  const auto ranks = single_rank();
  EXPECT_TRUE(ranks->first());
  EXPECT_EQ(ranks->here(), 1);
  EXPECT_GE(threads_of_a_rank(*ranks), 1);
  EXPECT_EQ(ranks->gather(std::vector<double>{1, 2}), (std::vector<double>{1, 2}));
  EXPECT_EQ(ranks->from_first("text"), "text");
}

}  // namespace
}  // namespace spectra::ranks
