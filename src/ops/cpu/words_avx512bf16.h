// SPDX-License-Identifier: Apache-2.0
#pragma once
// PairWords: attention's matrix products two bf16 at a time (vdpbf16ps), summed in fp32.
namespace spectra::ops::cpu {
namespace {

inline __m512bh as_pairs(__m512i bits) {
  __m512bh pairs;
  __builtin_memcpy(&pairs, &bits, 64);
  return pairs;
}

struct PairWords {
  using Stored = bf16;
  using Element = bf16;
  static constexpr int64_t kPer = 2;  // the even element in the low half
  template <class Lanes>
  static Vec words(const bf16* row, int64_t first, Lanes lanes) {
    return get(reinterpret_cast<const float*>(row) + first, lanes);
  }
  static Vec interleave(Vec even, Vec odd) {
    const __m512bh halves = _mm512_cvtne2ps_pbh(odd.v, even.v);  // 16 even ones, then 16 odd ones
    __m512i bits;
    __builtin_memcpy(&bits, &halves, 64);
    const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(bits));
    const __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(bits, 1));
    return {_mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)))};
  }
  static Vec interleave_stored(Vec even, Vec odd) {
    return {_mm512_castsi512_ps(_mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(even.v), 16), _mm512_castps_si512(odd.v)))};
  }
  static Vec step(Vec sum, float word, Vec operand) {
    return {_mm512_dpbf16_ps(sum.v, as_pairs(_mm512_castps_si512(_mm512_set1_ps(word))), as_pairs(_mm512_castps_si512(operand.v)))};
  }
};

}  // namespace
}  // namespace spectra::ops::cpu
