// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/backend.h"

namespace spectra::ops {

/// What backends whose device is the machine itself have in common: memory that the host can address, and nothing is ever queued.
class HostBackend : public Backend {
 public:
  DeviceMemory memory() const override;
  Buffer allocate(size_t bytes) override;
  Buffer allocate_staging(size_t bytes) override;
  bool host_addressable() const override { return true; }
  void copy_in_tokens(Tensor to, const int32_t* from) override;
  void read_bytes(void* to, Tensor from) override;
  void write_bytes(Tensor to, const void* from) override;
  void synchronize() override {}
};

}  // namespace spectra::ops
