// SPDX-License-Identifier: Apache-2.0
#include "ops/host_backend.h"

#include <cstring>

#include "base/system.h"
#include "ops/host_memory.h"

namespace spectra::ops {

DeviceMemory HostBackend::memory() const { return {memory_available(), memory_total()}; }
Buffer HostBackend::allocate(size_t bytes) { return host_memory(bytes); }
Buffer HostBackend::allocate_staging(size_t bytes) { return host_memory(bytes); }
void HostBackend::copy_in_tokens(Tensor to, const int32_t* from) { std::memcpy(to.as<int32_t>(), from, to.bytes()); }
void HostBackend::read_bytes(void* to, Tensor from) { std::memcpy(to, from.data, from.bytes()); }
void HostBackend::write_bytes(Tensor to, const void* from) { std::memcpy(to.data, from, to.bytes()); }

}  // namespace spectra::ops
