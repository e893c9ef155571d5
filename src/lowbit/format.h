// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names of the packed layouts (lowbit/packed.h); free of std, for files that are compiled for one instruction set.
#include <cstddef>
#include <cstdint>

namespace spectra::lowbit {

constexpr int64_t kTileRows = 16;
/// Bytes of a plane: what a tile's rows hold of one group of columns.
constexpr int64_t kPlaneBytes = 64;
constexpr int64_t kLargestGroup = 32;  ///< columns of a group, in any format

enum class Format : uint8_t { kTern2, kTern1_6, kBin1, kInt3, kInt4, kInt6, kInt8 };
constexpr size_t kFormats = 7;

}  // namespace spectra::lowbit
