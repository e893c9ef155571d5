// SPDX-License-Identifier: Apache-2.0
#pragma once
// What decides the codes of a quantized matrix.
#include <cstdint>
#include <string>

namespace spectra::quantize {

enum class Method : uint8_t {
  kRtn,   ///< rounds to nearest, each weight for itself
  kGptq,  ///< Frantar et al. 2022: the error of a column is taken up by the columns after it
  kGptaq  ///< Li et al. 2025: the same, towards the outputs that the full-precision model has
};
const char* method_name(Method method);  ///< "rtn", "gptq", "gptaq"
/// Throws Error (exit 2) listing the three.
Method method_from_name(const std::string& name);

/// Columns that are worked on together before the later ones hear of their errors.
constexpr int64_t kBlockColumns = 128;

struct Options {
  Method method = Method::kGptq;
  int bits = 4;                   ///< 3, 4, 6, 8
  int64_t group_size = 0;         ///< columns that share a scale; 0 = all of a row
  bool act_order = false;         ///< columns of large inputs first; scales then come from the weights as they were (static groups)
  double damp = 0.01;             ///< share of the mean diagonal of the Hessian that is added to it
  bool mse = false;               ///< search the scale of least |error|^2.4 instead of taking that of the largest weight
  bool reference_scales = false;  ///< scales as the authors' code computes them: solve.h
  int64_t block = kBlockColumns;

  int64_t group(int64_t cols) const { return group_size == 0 ? cols : group_size; }
};

}  // namespace spectra::quantize
