// SPDX-License-Identifier: Apache-2.0
#include "ranks/transfers.h"

#include <algorithm>

#include "base/error.h"

namespace spectra::ranks {

size_t Transfers::exchange(std::span<const Part> sends, std::span<const Part> receives) {
  Group group;
  for (const Part& part : receives) group.transfers.push_back(receive(part));
  for (const Part& part : sends) group.transfers.push_back(send(part));
  groups_.push_back(std::move(group));
  return groups_.size() - 1;
}

size_t Transfers::broadcast(int from, const ops::Tensor& tensor) {
  if (ranks_.size() == 1) return exchange({}, {});
  Transfer transfer{};
  void* memory = host_side(tensor, transfer);
  const bool staged = transfer.staging != kDirect;
  if (from == ranks_.rank() && staged) backend_.read_bytes(memory, tensor);
  if (from != ranks_.rank() && staged) transfer.to = tensor;
  transfer.ticket = ranks_.broadcast(from, memory, tensor.bytes());
  groups_.push_back({{transfer}, false});
  return groups_.size() - 1;
}

Transfers::Transfer Transfers::send(const Part& part) {
  Transfer transfer{};
  void* memory = host_side(part.tensor, transfer);
  if (transfer.staging != kDirect) backend_.read_bytes(memory, part.tensor);
  transfer.ticket = ranks_.send(part.rank, memory, part.tensor.bytes());
  return transfer;
}

Transfers::Transfer Transfers::receive(const Part& part) {
  Transfer transfer{};
  void* memory = host_side(part.tensor, transfer);
  if (transfer.staging != kDirect) transfer.to = part.tensor;
  transfer.ticket = ranks_.receive(part.rank, memory, part.tensor.bytes());
  return transfer;
}

/// Where the host finds or puts the tensor's bytes: the tensor itself, or staging of its size.
void* Transfers::host_side(const ops::Tensor& tensor, Transfer& transfer) {
  SPECTRA_CHECK(tensor.dense(), "{} columns of {}", tensor.cols, tensor.stride);
  if (backend_.host_addressable()) {
    transfer.staging = kDirect;
    return tensor.data;
  }
  transfer.staging = take_staging(tensor.bytes());
  return staging_[transfer.staging].data();
}

/// A free piece of staging with room for `bytes`, a new one where there is none.
size_t Transfers::take_staging(size_t bytes) {
  const auto fits = [&](size_t index) { return staging_[index].size() >= bytes; };
  const auto found = std::find_if(free_.begin(), free_.end(), fits);
  if (found == free_.end()) {
    staging_.push_back(backend_.allocate_staging(bytes));
    return staging_.size() - 1;
  }
  const size_t index = *found;
  free_.erase(found);
  return index;
}

bool Transfers::progress(size_t ticket) {
  Group& group = groups_[ticket];
  const auto here = [&](const Transfer& transfer) { return ranks_.progress(transfer.ticket); };
  if (group.complete || !std::all_of(group.transfers.begin(), group.transfers.end(), here)) return group.complete;
  finish(group);
  return true;
}

void Transfers::wait(size_t ticket) {
  Group& group = groups_[ticket];
  if (group.complete) return;
  for (const Transfer& transfer : group.transfers) ranks_.wait(transfer.ticket);
  finish(group);
}

void Transfers::wait_all() {
  for (size_t ticket = 0; ticket < groups_.size(); ++ticket) wait(ticket);
  groups_.clear();
  ranks_.wait_all();
}

/// What arrived goes to the device, the staging is free again.
void Transfers::finish(Group& group) {
  for (const Transfer& transfer : group.transfers) {
    if (transfer.staging == kDirect) continue;
    if (transfer.to.data != nullptr) backend_.write_bytes(transfer.to, staging_[transfer.staging].data());
    free_.push_back(transfer.staging);
  }
  group.complete = true;
}

}  // namespace spectra::ranks
