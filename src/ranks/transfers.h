// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tensors on their way between the ranks. Where the host can address the device's memory they go straight; elsewhere each passes
// through host memory that the device offers (staging), so that no MPI call sees a device's pointer.
#include <cstddef>
#include <span>
#include <vector>

#include "ops/backend.h"
#include "ranks/ranks.h"

namespace spectra::ranks {

/// A dense tensor that goes to or comes from a rank.
struct Part {
  int rank;
  ops::Tensor tensor;
};

class Transfers {
 public:
  Transfers(ops::Backend& backend, Ranks& ranks) : backend_(backend), ranks_(ranks) {}

  /// Starts all transfers of one group together; waits for what the device still computes. The tensors stay untouched until the
  /// group is complete, those received hold their values then. Between two ranks, parts arrive in the order they were sent. Returns
  /// a ticket.
  size_t exchange(std::span<const Part> sends, std::span<const Part> receives);
  /// The same for a tensor of rank `from` that all ranks are to have.
  size_t broadcast(int from, const ops::Tensor& tensor);
  /// Lets started transfers move on; true when those of `ticket` are complete.
  bool progress(size_t ticket);
  void wait(size_t ticket);
  void wait_all();  ///< tickets end here

 private:
  struct Transfer {
    size_t ticket;   // of ranks_
    ops::Tensor to;  // what is to be filled from the staging; no data: nothing
    size_t staging = 0;
  };
  struct Group {
    std::vector<Transfer> transfers;
    bool complete = false;
  };
  static constexpr size_t kDirect = static_cast<size_t>(-1);

  size_t take_staging(size_t bytes);
  void* host_side(const ops::Tensor& tensor, Transfer& transfer);
  Transfer send(const Part& part);
  Transfer receive(const Part& part);
  void finish(Group& group);

  ops::Backend& backend_;
  Ranks& ranks_;
  std::vector<Group> groups_;
  std::vector<ops::Buffer> staging_;
  std::vector<size_t> free_;  // of staging_
};

}  // namespace spectra::ranks
