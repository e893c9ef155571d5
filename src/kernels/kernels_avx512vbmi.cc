// SPDX-License-Identifier: Apache-2.0
// AVX-512 VNNI and VBMI: four base-3 digits of a byte from one look-up in a table of 128 bytes.
#include "kernels/registers_avx512.h"

namespace spectra::kernels {
namespace {

template <bool small>
inline Sums dot(Sums sums, Bytes u, int32_t x) {
  return {_mm512_dpbusd_epi32(sums.v, u.v, _mm512_set1_epi32(x))};
}

struct Table {
  alignas(64) uint8_t entries[128];  // of n < 81: digit f of n in bits 2 f, 2 f + 1
};
constexpr Table digits_of_numbers() {
  Table table{};
  for (int n = 0; n < 81; ++n)
    for (int f = 0, rest = n; f < 4; ++f, rest /= 3)
      table.entries[n] = static_cast<uint8_t>(table.entries[n] | (rest % 3) << (2 * f));
  return table;
}
constexpr Table kDigits = digits_of_numbers();

/// The four lower digits by table, the highest from what they leave of the byte: see trits.h.
inline void trits(Bytes b, Bytes* u) {
  const Bytes below81 = min(min(b, b - Bytes::all(81)), b - Bytes::all(162));
  const Bytes lower = {
      _mm512_permutex2var_epi8(_mm512_load_si512(kDigits.entries), below81.v, _mm512_load_si512(kDigits.entries + 64))};
  u[0] = lower.low_bits<0, 2>(), u[1] = lower.low_bits<2, 2>(), u[2] = lower.low_bits<4, 2>(), u[3] = lower.low_bits<6, 2>();
  u[4] = (b - below81).low_bits<6, 2>();
}

}  // namespace
}  // namespace spectra::kernels

#include "kernels/tile_kernels.h"

namespace spectra::kernels {

void use_avx512vbmi(Kernels& table) { use_tiles_of<Format::kTern1_6>(table); }

}  // namespace spectra::kernels
