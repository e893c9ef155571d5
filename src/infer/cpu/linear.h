// SPDX-License-Identifier: Apache-2.0
#pragma once
// y = x Wᵀ for token rows, in the type of activations that the rows have. Every element of y is one dot product with a fixed order
// of additions, so it does not depend on the other rows, on threads, or on the instruction set (bf16: within a tolerance).
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <vector>

#include "base/team.h"
#include "infer/cpu/rounded_rows.h"
#include "infer/weights.h"
#include "kernels/kernels.h"

namespace spectra::infer {

/// A product and where it goes: y (count, w.rows) = x wᵀ.
struct Product {
  const Linear* w;
  float* y;
};

/// What threads unpack tiles into, where no kernel multiplies them packed.
struct TileBuffers {
  std::vector<std::vector<int8_t>> codes;  ///< one a thread: an unpacked tile
  std::vector<std::vector<float>> parts;   ///< one a thread: products of a tile

  /// For matrices of at most `cols` columns and `rows` token rows.
  void reserve(int64_t cols, int64_t rows, int threads);
};

/// One thread's part in the products of its team.
class Products {
 public:
  Products(Team& team, TileBuffers& buffers, const kernels::Kernels& kernels) : team_(team), buffers_(buffers), kernels_(kernels) {}

  /// The products, one after the other, cut between the threads by rows of w. All threads call it. Ends without a barrier.
  void multiply(RoundedRows& x, std::initializer_list<Product> products);
  /// The same for matrices of equal rows, whose rows [begin, end) are multiplied by one thread, which then calls done(begin, end).
  using Done = std::function<void(int64_t begin, int64_t end)>;
  void multiply_together(RoundedRows& x, std::initializer_list<Product> products, const Done& done);

 private:
  bool one_form(const RoundedRows& x, std::initializer_list<Product> products) const;
  void one_by_one(RoundedRows& x, std::initializer_list<Product> products);
  void part(const RoundedRows& x, const Product& product, int64_t begin, int64_t end, const uint8_t* next);
  void dense(const RoundedRows& x, const Product& product, const DenseMatrix& matrix, int64_t begin, int64_t end);
  void packed(const RoundedRows& x, float* y, const PackedLinear& w, int64_t begin, int64_t end, const uint8_t* next);
  void tiles(const RoundedRows& x, float* y, const PackedLinear& w, const kernels::TileSpan& span);
  template <class X>
  void unpacked_tiles(const RoundedRows& rows, float* y, const PackedLinear& w, int64_t begin, int64_t end, const X* x,
                      kernels::Matmul<X, int8_t> matmul);

  Team& team_;
  TileBuffers& buffers_;
  const kernels::Kernels& kernels_;
};

}  // namespace spectra::infer
