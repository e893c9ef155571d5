// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/buffer.h"

namespace spectra::ops {

/// Memory of the machine itself, zeroed, aligned to 64 bytes (2 MiB pages where it is large: DRAM reads are 1.8x faster). What the
/// backends on CPUs hand out. Throws Error (exit 5) where the system has none.
Buffer host_memory(size_t bytes);

}  // namespace spectra::ops
