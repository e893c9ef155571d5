// SPDX-License-Identifier: Apache-2.0
#pragma once
// GPTQ as the paper explains it (Frantar et al. 2022, equations 2 and 3), in fp64 and without a Cholesky factor, blocks or pieces:
// the inverse of the Hessian of the columns that are left is updated by Gaussian elimination after each column.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/half.h"
#include "base/rng.h"

namespace spectra::test {

using Matrix = std::vector<double>;

inline Matrix inverse(Matrix a, int64_t n) {
  Matrix b(static_cast<size_t>(n * n));
  for (int64_t i = 0; i < n; ++i) b[static_cast<size_t>(i * n + i)] = 1;
  for (int64_t p = 0; p < n; ++p) {  // positive definite: needs no pivoting
    const double pivot = a[static_cast<size_t>(p * n + p)];
    for (int64_t j = 0; j < n; ++j) a[static_cast<size_t>(p * n + j)] /= pivot, b[static_cast<size_t>(p * n + j)] /= pivot;
    for (int64_t i = 0; i < n; ++i) {
      const double factor = a[static_cast<size_t>(i * n + p)];
      if (i == p || factor == 0) continue;
      for (int64_t j = 0; j < n; ++j) {
        a[static_cast<size_t>(i * n + j)] -= factor * a[static_cast<size_t>(p * n + j)];
        b[static_cast<size_t>(i * n + j)] -= factor * b[static_cast<size_t>(p * n + j)];
      }
    }
  }
  return b;
}

inline Matrix product(const Matrix& a, const Matrix& b, int64_t rows, int64_t n) {
  Matrix c(static_cast<size_t>(rows * n));
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t k = 0; k < n; ++k)
      for (int64_t j = 0; j < n; ++j)
        c[static_cast<size_t>(i * n + j)] += a[static_cast<size_t>(i * n + k)] * b[static_cast<size_t>(k * n + j)];
  return c;
}

struct PlainResult {
  std::vector<int> codes;  // (rows, cols)
  Matrix scales;           // (rows, groups)
  double error = 0;        // Σ err²
};

inline double plain_scale(const double* w, int64_t count, int bits) {
  double largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(w[i]));
  return static_cast<double>(round_to_fp16(static_cast<float>(2 * largest / ((1 << bits) - 1))));
}

/// `h`: with the damping. Scales of groups come from the weights as they are when their first column is reached.
inline PlainResult plain_gptq(Matrix w, const Matrix& h, int64_t rows, int64_t cols, int bits, int64_t group) {
  PlainResult out{std::vector<int>(w.size()), Matrix(static_cast<size_t>(rows * (cols / group))), 0};
  Matrix left = inverse(h, cols);
  for (int64_t j = 0; j < cols; ++j) {
    const double diagonal = left[static_cast<size_t>(j * cols + j)];
    for (int64_t r = 0; r < rows; ++r) {
      double* row = w.data() + r * cols;
      double& scale = out.scales[static_cast<size_t>(r * (cols / group) + j / group)];
      if (j % group == 0) scale = plain_scale(row + j, group, bits);
      const double limit = 1 << (bits - 1);
      const double code = std::fmin(std::fmax(std::nearbyint(row[j] / scale), -limit), limit - 1);
      out.codes[static_cast<size_t>(r * cols + j)] = static_cast<int>(code);
      const double difference = row[j] - scale * code;
      out.error += difference * difference / diagonal;
      for (int64_t k = j; k < cols; ++k) row[k] -= difference / diagonal * left[static_cast<size_t>(j * cols + k)];
    }
    for (int64_t a = j + 1; a < cols; ++a)
      for (int64_t b = j + 1; b < cols; ++b)
        left[static_cast<size_t>(a * cols + b)] -=
            left[static_cast<size_t>(a * cols + j)] * left[static_cast<size_t>(j * cols + b)] / diagonal;
  }
  return out;
}

/// A layer: weights, its inputs with the quantized layers before it, and those of the full-precision model.
struct Layer {
  int64_t rows, cols, tokens;
  std::vector<float> w;         // (rows, cols)
  std::vector<float> h, mixed;  // (cols, cols): Σ x xᵀ, Σ x̃ xᵀ
  Matrix x, full;               // (cols, tokens)

  /// tr((target - q)(H + damping)(target - q)ᵀ)
  double error(const Matrix& target, const Matrix& q, double damping) const {
    Matrix difference(target.size());
    for (size_t i = 0; i < target.size(); ++i) difference[i] = target[i] - q[i];
    const Matrix dh = product(difference, damped(damping), rows, cols);
    double sum = 0;
    for (size_t i = 0; i < dh.size(); ++i) sum += dh[i] * difference[i];
    return sum;
  }
  Matrix damped(double damping) const {
    Matrix out(h.begin(), h.end());
    for (int64_t i = 0; i < cols; ++i) out[static_cast<size_t>(i * cols + i)] += damping;
    return out;
  }
};

/// Inputs that are correlated and of very different size, as those of trained models.
inline Layer random_layer(int64_t rows, int64_t cols, int64_t tokens, uint64_t seed) {
  Layer layer{rows, cols, tokens, {}, {}, {}, {}, {}};
  const Rng weights(seed, 1), inputs(seed, 2), mixing(seed, 3), noise(seed, 4);
  for (int64_t i = 0; i < rows * cols; ++i)
    layer.w.push_back(static_cast<float>(0.05 * weights.normal_at(static_cast<uint64_t>(i))));
  Matrix mix(static_cast<size_t>(cols * cols)), z(static_cast<size_t>(cols * tokens));
  for (int64_t i = 0; i < cols; ++i)
    for (int64_t j = 0; j < cols; ++j)
      mix[static_cast<size_t>(i * cols + j)] =
          (i == j ? 1.0 : 0.0) + 0.3 * mixing.normal_at(static_cast<uint64_t>(i * cols + j)) / (1.0 + 0.1 * static_cast<double>(j));
  layer.x.resize(z.size());
  layer.full.resize(z.size());
  for (size_t i = 0; i < z.size(); ++i) z[i] = inputs.normal_at(i);
  for (int64_t i = 0; i < cols; ++i)
    for (int64_t t = 0; t < tokens; ++t) {
      double sum = 0;
      for (int64_t k = 0; k < cols; ++k) sum += mix[static_cast<size_t>(i * cols + k)] * z[static_cast<size_t>(k * tokens + t)];
      const auto at = static_cast<size_t>(i * tokens + t);
      layer.x[at] = sum;
      layer.full[at] = 1.05 * sum + 0.2 * noise.normal_at(at);
    }
  for (int64_t i = 0; i < cols; ++i)
    for (int64_t j = 0; j < cols; ++j) {
      double plain = 0, mixed = 0;
      for (int64_t t = 0; t < tokens; ++t) {
        const double xj = layer.x[static_cast<size_t>(j * tokens + t)];
        plain += layer.x[static_cast<size_t>(i * tokens + t)] * xj;
        mixed += layer.full[static_cast<size_t>(i * tokens + t)] * xj;
      }
      layer.h.push_back(static_cast<float>(plain));
      layer.mixed.push_back(static_cast<float>(mixed));
    }
  return layer;
}

}  // namespace spectra::test
