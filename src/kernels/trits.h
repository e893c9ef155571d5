// SPDX-License-Identifier: Apache-2.0
// The five base-3 digits of each byte, for instruction sets without a table of 128 bytes. Included after Bytes (tile_kernels.h).
// b mod 3^k is the smallest, as unsigned bytes, of b, b - 3^k and b - 2 * 3^k, since negative numbers wrap to large ones; what was
// taken off is 0, 3^k or 2 * 3^k, and two bits of it, after adding a constant where needed, are the digit.
namespace spectra::kernels {
namespace {

inline Bytes remainder(Bytes b, uint8_t power) {
  return min(min(b, b - Bytes::all(power)), b - Bytes::all(static_cast<uint8_t>(2 * power)));
}

inline void trits(Bytes b, Bytes* u) {
  const Bytes below81 = remainder(b, 81), below27 = remainder(below81, 27), below9 = remainder(below27, 9),
              below3 = remainder(below9, 3);
  u[4] = (b - below81).low_bits<6, 2>();                         // 0, 81 = 01'010001, 162 = 10'100010
  u[3] = (below81 - below27 + Bytes::all(10)).low_bits<5, 2>();  // 10 = 00'01010, 37 = 01'00101, 64 = 10'00000
  u[2] = (below27 - below9).low_bits<3, 2>();                    // 0, 9 = 01'001, 18 = 10'010
  u[1] = (below9 - below3 + Bytes::all(2)).low_bits<2, 2>();     // 2 = 00'10, 5 = 01'01, 8 = 10'00
  u[0] = below3;
}

}  // namespace
}  // namespace spectra::kernels
