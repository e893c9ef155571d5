// SPDX-License-Identifier: Apache-2.0
// AVX-512 VNNI: 64 products of bytes an instruction, added in fours in int32.
#include "kernels/registers_avx512.h"
#include "kernels/trits.h"

namespace spectra::kernels {
namespace {

template <bool small>
inline Sums dot(Sums sums, Bytes u, int32_t x) {
  return {_mm512_dpbusd_epi32(sums.v, u.v, _mm512_set1_epi32(x))};
}

}  // namespace
}  // namespace spectra::kernels

#include "kernels/tile_kernels.h"

namespace spectra::kernels {

void use_avx512vnni(Kernels& table) { use_tiles(table); }

}  // namespace spectra::kernels
