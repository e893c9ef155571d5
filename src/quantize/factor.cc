// SPDX-License-Identifier: Apache-2.0
#include "quantize/factor.h"

#include <cblas.h>
#include <lapack.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/log.h"

namespace spectra::quantize {
namespace {

/// Shares of the mean diagonal tried after the one asked for: what is added grows tenfold a time.
constexpr double kFirstRaise = 1e-3, kRaise = 10, kLargestDamp = 10;

double mean_diagonal(const Factor& factor, const std::vector<double>& diagonal) {
  return std::accumulate(diagonal.begin(), diagonal.end(), 0.0) / static_cast<double>(factor.size);
}

/// U of a matrix that was put into factor.upper. With the matrix reversed (J A J = L Lᵀ) its inverse is (J L^-1 J)ᵀ (J L^-1 J), so
/// one Cholesky factorization and one triangular inverse are enough; and to reverse a matrix is to reverse its memory. False where
/// it is not positive definite.
bool invert(std::vector<double>& a, int64_t size) {
  const auto n = static_cast<lapack_int>(size);
  lapack_int info = 0;
  std::reverse(a.begin(), a.end());
  LAPACK_dpotrf("U", &n, a.data(), &n, &info);  // LAPACK counts columns first: its upper triangle is our lower one
  if (info != 0) return false;
  LAPACK_dtrtri("U", "N", &n, a.data(), &n, &info);
  if (info != 0) return false;
  for (int64_t i = 0; i < size; ++i) std::fill(a.begin() + i * size + i + 1, a.begin() + (i + 1) * size, 0.0);
  std::reverse(a.begin(), a.end());
  return true;
}

void fill(Factor& factor, const Moments& moments, const std::vector<double>& diagonal) {
  const int64_t n = factor.size;
  factor.upper.resize(static_cast<size_t>(n * n));
#pragma omp parallel for
  for (int64_t i = 0; i < n; ++i) {
    const int32_t from = factor.order[static_cast<size_t>(i)];
    double* row = factor.upper.data() + i * n;
    for (int64_t j = 0; j < n; ++j) row[j] = static_cast<double>(moments.inputs[from * n + factor.order[static_cast<size_t>(j)]]);
    row[i] = diagonal[static_cast<size_t>(from)] + factor.damping;
  }
}

void fill_shift(Factor& factor, const Moments& moments) {
  if (moments.mixed == nullptr) return;
  const int64_t n = factor.size;
  factor.shift.resize(static_cast<size_t>(n * n));
#pragma omp parallel for
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const int64_t at = factor.order[static_cast<size_t>(i)] * n + factor.order[static_cast<size_t>(j)];
      factor.shift[static_cast<size_t>(i * n + j)] =
          static_cast<double>(moments.mixed[at]) - static_cast<double>(moments.inputs[at]);
    }
}

}  // namespace

Factor factorize(const Moments& moments, const Options& options, const std::string& where) {
  openblas_set_num_threads(1);  // threads are OpenMP's; OpenBLAS would bring a second pool, and other bits with another number
  Factor factor;
  const int64_t n = factor.size = moments.size;
  std::vector<double> diagonal(static_cast<size_t>(n));
  factor.dead.resize(static_cast<size_t>(n));
  for (size_t i = 0; i < diagonal.size(); ++i) {
    diagonal[i] = static_cast<double>(moments.inputs[i * static_cast<size_t>(n) + i]);
    if (!std::isfinite(diagonal[i]))  // a sum of squares: where any input is not finite, it is not
      throw bad_input(
          fmt::format("{}: input {} of the layer is {} on the calibration text", where, i, diagonal[i]),
          "the model's weights or its activations overflow; `spectra perplexity` on the same text shows whether the model "
          "itself works, and --precision fp32 has the widest range");
    if (diagonal[i] <= 0) diagonal[i] = 1, factor.dead[i] = true;
  }
  factor.order.resize(static_cast<size_t>(n));
  std::iota(factor.order.begin(), factor.order.end(), 0);
  if (options.act_order)
    std::stable_sort(factor.order.begin(), factor.order.end(),
                     [&](int32_t a, int32_t b) { return diagonal[static_cast<size_t>(a)] > diagonal[static_cast<size_t>(b)]; });
  const double mean = mean_diagonal(factor, diagonal);
  factor.damp = options.damp;
  for (;;) {
    factor.damping = factor.damp * mean;
    fill(factor, moments, diagonal);
    if (invert(factor.upper, n)) break;
    const double raised = factor.damp < kFirstRaise ? kFirstRaise : factor.damp * kRaise;
    if (raised > kLargestDamp)
      throw bad_input(fmt::format("{}: the Hessian has no Cholesky factor even with damping {}", where, factor.damp),
                      "the activations are damaged or nearly constant; try another calibration text or --method rtn");
    log_warning("{}: the Hessian has no Cholesky factor with damping {}; raised to {}", where, factor.damp, raised);
    factor.damp = raised;
  }
  fill_shift(factor, moments);
  return factor;
}

}  // namespace spectra::quantize
