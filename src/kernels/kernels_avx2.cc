// SPDX-License-Identifier: Apache-2.0
// AVX2, FMA and F16C: 16 lanes in two registers.
#include <immintrin.h>

#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

struct Lanes {
  __m256 low, high;  // lanes 0-7, 8-15

  static Lanes all(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static Lanes load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static Lanes load(const fp16* p) { return {_mm256_cvtph_ps(load_128(p)), _mm256_cvtph_ps(load_128(p + 8))}; }
  static Lanes load(const bf16* p) { return {widen(load_128(p)), widen(load_128(p + 8))}; }
  static Lanes load(const int8_t* p) {
    const __m128i bytes = load_128(p);
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
  }
  void store(float* p) const {
    _mm256_storeu_ps(p, low);
    _mm256_storeu_ps(p + 8, high);
  }
  void store(bf16* p) const {
    const __m256i both = _mm256_packus_epi32(round_bf16(low), round_bf16(high));  // 64-bit quarters 0 2 1 3
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(both, 0b11011000));
  }
  /// Of whole numbers in the range of int8.
  void store(int8_t* p) const {
    const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(low), _mm256_cvtps_epi32(high));
    const __m256i ordered = _mm256_permute4x64_epi64(words, 0b11011000);
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  }
  Lanes magnitude() const {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_andnot_ps(sign, low), _mm256_andnot_ps(sign, high)};
  }
  Lanes negated() const {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_xor_ps(sign, low), _mm256_xor_ps(sign, high)};
  }
  float sum() const {
    const __m256 eight = _mm256_add_ps(low, high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  float largest() const {
    const __m256 eight = _mm256_max_ps(low, high);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
  }

 private:
  static __m128i load_128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
  static __m256 widen(__m128i bits) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)); }
  /// bf16 bits in 32-bit lanes: see to_bf16 in base/half.h.
  static __m256i round_bf16(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(even, _mm256_set1_epi32(0x7fff))), 16);
    const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
    return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
  }
};

inline Lanes operator+(Lanes a, Lanes b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
inline Lanes operator-(Lanes a, Lanes b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
inline Lanes operator/(Lanes a, Lanes b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
inline Lanes max(Lanes a, Lanes b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
inline Lanes min(Lanes a, Lanes b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
inline Lanes round_even(Lanes a) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.low, mode), _mm256_round_ps(a.high, mode)};
}
/// a < b ? yes : no
inline Lanes where_less(Lanes a, Lanes b, Lanes yes, Lanes no) {
  return {_mm256_blendv_ps(no.low, yes.low, _mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.high, yes.high, _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ))};
}
inline __m256 power_of_two(__m256i k) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k, _mm256_set1_epi32(127)), 23));
}
inline __m256 times_power_of_two(__m256 p, __m256 k) {
  const __m256i whole = _mm256_cvtps_epi32(k), half = _mm256_srai_epi32(whole, 1);
  return _mm256_mul_ps(_mm256_mul_ps(p, power_of_two(half)), power_of_two(_mm256_sub_epi32(whole, half)));
}
/// p * 2^k for whole k in [-126, 128], in two factors.
inline Lanes times_power_of_two(Lanes p, Lanes k) { return {times_power_of_two(p.low, k.low), times_power_of_two(p.high, k.high)}; }

}  // namespace
}  // namespace spectra::kernels

#include "kernels/vector_kernels.h"

namespace spectra::kernels {
namespace {

inline __m256i load_words(const int8_t* p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }

inline int32_t sum_of(__m256i x) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0b1110));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
}

template <int R>
inline void dot_rows_i8(int32_t* y, const int8_t* x, const int8_t* w, size_t stride, size_t n) {
  __m256i sums[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) sums[r] = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256i xi = load_words(x + i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
      sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(xi, load_words(w + static_cast<size_t>(r) * stride + i)));
  }
  for (int r = 0; r < R; ++r) {
    int32_t rest = 0;
    for (size_t j = i; j < n; ++j) rest += x[j] * w[static_cast<size_t>(r) * stride + j];
    y[r] = sum_of(sums[r]) + rest;
  }
}

int32_t dot_i8(const int8_t* x, const int8_t* w, size_t n) {
  int32_t y;
  dot_rows_i8<1>(&y, x, w, 0, n);
  return y;
}
void matvec_i8(int32_t* y, const int8_t* x, const int8_t* w, size_t stride, size_t rows, size_t n) {
  size_t r = 0;
  for (; r + 4 <= rows; r += 4) dot_rows_i8<4>(y + r, x, w + r * stride, stride, n);
  for (; r < rows; ++r) dot_rows_i8<1>(y + r, x, w + r * stride, stride, n);
}

/// Runs `group` (packed bytes to `weights` codes) over a row; the last, partial group goes through a buffer.
template <int weights, int bytes, class Group>
inline void unpack_groups(const uint8_t* packed, size_t cols, int8_t* codes, Group group) {
  size_t begin = 0;
  for (; begin + weights <= cols; begin += weights, packed += bytes) group(packed, codes + begin);
  if (begin == cols) return;
  int8_t last[weights];
  group(packed, last);
  for (size_t i = begin; i < cols; ++i) codes[i] = last[i - begin];
}

void unpack_tern2(const uint8_t* packed, size_t cols, int8_t* codes) {
  unpack_groups<64, 16>(packed, cols, codes, [](const uint8_t* from, int8_t* to) {
    // The 16 bytes twice, the upper copy two bits further on: two digits an instruction.
    const __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    const __m256i digits = _mm256_srlv_epi32(both, _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2));
    const __m256i mask = _mm256_set1_epi8(3), one = _mm256_set1_epi8(1);
    const __m256i first = _mm256_sub_epi8(_mm256_and_si256(digits, mask), one);
    const __m256i second = _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi32(digits, 4), mask), one);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), first);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32), second);
  });
}

void unpack_tern1_6(const uint8_t* packed, size_t cols, int8_t* codes) {
  unpack_groups<80, 16>(packed, cols, codes, [](const uint8_t* from, int8_t* to) {
    __m128i fraction = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));  // in 256ths
    const __m128i one_third = _mm_set1_epi8(86), two_thirds = _mm_set1_epi8(static_cast<char>(171));
#pragma GCC unroll 5
    for (int digit = 0; digit < 5; ++digit) {
      // code = -1 + (3 * fraction >= 256) + (3 * fraction >= 512); a comparison gives -1 where true
      const __m128i one = _mm_cmpeq_epi8(_mm_max_epu8(fraction, one_third), fraction);
      const __m128i two = _mm_cmpeq_epi8(_mm_max_epu8(fraction, two_thirds), fraction);
      const __m128i code = _mm_sub_epi8(_mm_sub_epi8(_mm_set1_epi8(-1), one), two);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16 * digit), code);
      fraction = _mm_add_epi8(fraction, _mm_add_epi8(fraction, fraction));
    }
  });
}

void unpack_bin1(const uint8_t* packed, size_t cols, int8_t* codes) {
  unpack_groups<64, 8>(packed, cols, codes, [](const uint8_t* from, int8_t* to) {
    const __m256i bits = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
    const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    for (int half = 0; half < 2; ++half) {
      int32_t four;
      __builtin_memcpy(&four, from + 4 * half, 4);
      const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(four), spread);  // byte i/8 for weight i
      const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bits), bits);
      const __m256i code = _mm256_sub_epi8(_mm256_and_si256(set, _mm256_set1_epi8(2)), _mm256_set1_epi8(1));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32 * half), code);
    }
  });
}

}  // namespace

void use_avx2(Kernels& table) {
  use_lanes(table);
  table.dot_i8 = dot_i8;
  table.matvec_i8 = matvec_i8;
  table.unpack_tern2 = unpack_tern2;
  table.unpack_tern1_6 = unpack_tern1_6;
  table.unpack_bin1 = unpack_bin1;
}

}  // namespace spectra::kernels
