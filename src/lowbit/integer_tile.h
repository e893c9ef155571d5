// SPDX-License-Identifier: Apache-2.0
#pragma once
// Packing of quantized matrices when a model is opened: fast enough that it waits for memory.
#include <cstdint>

#include "lowbit/packed.h"

namespace spectra::lowbit {

/// The format that holds codes of 3, 4, 6 or 8 bits.
Format integer_format(int bits);
/// What pack_tile writes, from u = code + code_offset(format), (rows of the tile, cols). `layout.format`: an integer format.
void pack_integer_tile(const Layout& layout, int64_t tile, const uint8_t* u, uint8_t* packed);

}  // namespace spectra::lowbit
