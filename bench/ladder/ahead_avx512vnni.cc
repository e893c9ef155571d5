// SPDX-License-Identifier: Apache-2.0
// kernels_avx512vnni.cc once more, compiled for each SPECTRA_PREFETCH_AHEAD.
#include "kernels/registers_avx512.h"
#include "kernels/trits.h"
#include "steps.h"

namespace spectra::kernels {
namespace {

template <bool small>
inline Sums dot(Sums sums, Bytes u, int32_t x) {
  return {_mm512_dpbusd_epi32(sums.v, u.v, _mm512_set1_epi32(x))};
}

}  // namespace
}  // namespace spectra::kernels

#include "kernels/tile_kernels.h"

namespace spectra::ladder {

#define SPECTRA_NAME_OF(bytes) tiles_ahead_##bytes
#define SPECTRA_NAME(bytes) SPECTRA_NAME_OF(bytes)
Tiles SPECTRA_NAME(SPECTRA_PREFETCH_AHEAD)() { return kernels::matmul_tiles_i8<lowbit::Format::kTern2>; }

}  // namespace spectra::ladder
