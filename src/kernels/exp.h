// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one exponential of all kernels, in fp32 with each operation rounded as written:
//   k = round half even(x * log2 e),  r = fma(k, -ln2_low, fma(k, -ln2_high, x)),  |r| <= ln2 / 2
//   exp(x) = p(r) * 2^(k/2) * 2^(k - k/2),  p(r) = 1 + r + r² (c0 + c1 r + c2 r² + c3 r³ + c4 r⁴), Horner's rule by fma
// c0..c4 interpolate (e^r - 1 - r) / r² at the Chebyshev nodes of the interval. Largest error over all floats: 1.0 ulp (a test).
// Results that would be subnormal are 0, those beyond the largest float are infinite.
namespace spectra::kernels {

constexpr float kExpLow = -0x1.5d589ep+6f;  // ln 2^-126, rounded towards 0
constexpr float kExpHigh = 0x1.62e42ep+6f;  // ln of the largest float, rounded down
constexpr float kLog2E = 0x1.715476p+0f;
constexpr float kLn2High = 0x1.62e430p-1f, kLn2Low = -0x1.05c610p-29f;
constexpr float kExpC0 = 0.5f, kExpC1 = 0x1.5554dcp-3f, kExpC2 = 0x1.55551ap-5f, kExpC3 = 0x1.120b6ep-7f, kExpC4 = 0x1.6d110ap-10f;

}  // namespace spectra::kernels
