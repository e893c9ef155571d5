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
  using Word = uint32_t;  // the even element in the low half
  using Element = bf16;
  using Operand = __m512i;
  static constexpr int64_t kPer = 2;
  static Operand load_word(const Word* p) { return _mm512_loadu_si512(p); }
  static Vec step(Vec sum, Word a, Operand b) {
    return {_mm512_dpbf16_ps(sum.v, as_pairs(_mm512_set1_epi32(static_cast<int>(a))), as_pairs(b))};
  }
  static void interleave(Word* out, int64_t, Vec even, Vec odd) {
    const __m512i low = _mm512_cvtepu16_epi32(narrow(even.v)), high = _mm512_cvtepu16_epi32(narrow(odd.v));
    _mm512_storeu_si512(out, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
  static Word word(const bf16* even, const bf16* odd) {
    return static_cast<uint32_t>(even->bits) | static_cast<uint32_t>(odd->bits) << 16;
  }
};

}  // namespace
}  // namespace spectra::ops::cpu
