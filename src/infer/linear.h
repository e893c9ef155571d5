// SPDX-License-Identifier: Apache-2.0
#pragma once
// y = x Wᵀ for token rows, in the activation type asked for. Every element of y is one dot product with a fixed order of additions,
// so it does not depend on the other rows, on threads, or on the instruction set (bf16: within a tolerance).
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/team.h"
#include "infer/weights.h"
#include "kernels/kernels.h"

namespace spectra::infer {

/// What linear layers multiply: fp32 as computed; bf16 rounded; int8 with a scale per token row, absmax/127 (packed weights only).
enum class ActivationType : uint8_t { kFp32, kBf16, kInt8 };
const char* activations_name(ActivationType activations);  ///< "fp32", "bf16", "int8"
/// Throws Error (exit 2) listing the three.
ActivationType activations_from_name(const std::string& name);

/// Memory for rounded token rows and for what threads work on, shared by a team.
struct LinearBuffers {
  std::vector<bf16> bf16_values;
  std::vector<float> widened;  ///< bf16 as fp32, for dense weights of another type
  std::vector<int8_t> int8_values;
  std::vector<float> int8_scales;          ///< (tokens)
  std::vector<int32_t> int8_sums;          ///< (tokens, segments)
  std::vector<std::vector<int8_t>> codes;  ///< one a thread: an unpacked tile
  std::vector<std::vector<float>> parts;   ///< one a thread: products of a tile

  /// Enough for `tokens` rows of any matrix of the model, and one for each thread.
  void reserve(const Model& model, ActivationType mode, int64_t tokens, int threads);
};

/// Token rows that the next linear layers read, as one thread of a team sees them.
class Rows {
 public:
  Rows(Team& team, LinearBuffers& buffers, ActivationType mode, const kernels::Kernels& kernels)
      : team_(team), buffers_(buffers), mode_(mode), kernels_(kernels) {}

  /// x (count, cols) is what comes next. Each thread must have made the rows that team.share(count) gives it, or all must have
  /// passed a barrier since x was made. A single row each thread rounds for itself, which is cheaper than to wait for another
  /// thread to do it; so `x` may be the thread's own copy then.
  void set(const float* x, int64_t count, int64_t cols, ActivationType mode);
  void set(const float* x, int64_t count, int64_t cols) { set(x, count, cols, mode_); }
  const float* fp32() const { return x_; }
  int64_t count() const { return count_; }

  /// A product and where it goes: y (count, w.rows) = x wᵀ.
  struct Product {
    const Linear* w;
    float* y;
  };
  /// The products, one after the other, cut between the threads by rows of w. All threads call it; rows are rounded first if they
  /// are not in the form that a matrix needs. Ends without a barrier.
  void multiply(std::initializer_list<Product> products);
  /// The same for matrices of equal rows, whose rows [begin, end) are multiplied by one thread, which then calls done(begin, end).
  using Done = std::function<void(int64_t begin, int64_t end)>;
  void multiply_together(std::initializer_list<Product> products, const Done& done);

 private:
  bool single() const { return count_ == 1; }
  /// Where rows begin in the buffers.
  int64_t first_slot() const { return single() ? team_.rank() : 0; }
  bool rounded_for(const Linear& w) const;
  void round(const Linear& w);
  void round_row(const float* x, int64_t slot, const PackedLinear* packed);
  void part(const Product& product, int64_t begin, int64_t end, const uint8_t* next);
  void dense(const Product& product, const DenseMatrix& matrix, int64_t begin, int64_t end);
  void packed(float* y, const PackedLinear& w, int64_t begin, int64_t end, const uint8_t* next);
  void tiles(float* y, const PackedLinear& w, const kernels::TileSpan& span);
  template <class X>
  void unpacked_tiles(float* y, const PackedLinear& w, int64_t begin, int64_t end, const X* x, int64_t stride,
                      kernels::Matmul<X, int8_t> matmul);

  Team& team_;
  LinearBuffers& buffers_;
  const ActivationType mode_;
  const kernels::Kernels& kernels_;
  const float* x_ = nullptr;
  int64_t count_ = 0, cols_ = 0;
  ActivationType rows_mode_ = ActivationType::kFp32;  ///< of these rows
  const Linear* like_ = nullptr;                      ///< rows are rounded as this matrix needs them; null = not yet
};

}  // namespace spectra::infer
