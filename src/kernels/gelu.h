// SPDX-License-Identifier: Apache-2.0
#pragma once
// GELU of all kernels: x Φ(x), Φ the normal distribution, in fp32 with each operation rounded as written. One tail of it is
//   z = |x| / sqrt 2,  t = 1 / (1 + z/2),  Φ(-|x|) = (t q(t) / 2) exp(-z²),  q by Horner's rule with fma,
// and x Φ(x) = x - x Φ(-x) for x > 0. q interpolates erfc(z) exp(z²) / t at the Chebyshev nodes of t for 0 <= z <= 9.4 (beyond,
// exp(-z²) is 0); the relative error of t q is below 3e-7.
namespace spectra::kernels {

constexpr float kSqrtHalf = 0x1.6a09e6p-1f;
constexpr int kErfcTerms = 9;
constexpr float kErfc[kErfcTerms] = {0x1.20dad8p-2f, 0x1.212eacp-2f,  0x1.f16dc8p-3f, 0x1.a0def4p-3f, -0x1.d4cbaep-6f,
                                     0x1.1f8e16p-2f, -0x1.f5308ap-2f, 0x1.246bcep-2f, -0x1.e56428p-5f};

}  // namespace spectra::kernels
