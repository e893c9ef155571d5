// SPDX-License-Identifier: Apache-2.0
#pragma once
// Token embedding: a row of the table per token.
#include <algorithm>

#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

template <class T>
void embedding(Matrix<T> x, const int32_t* tokens, Matrix<T> table) {
  for (int64_t n = 0; n < x.rows; ++n) std::copy_n(table.row(tokens[n]), x.cols, x.row(n));
}

template <class T>
void embedding_backward(Matrix<T> dtable, const int32_t* tokens, Matrix<T> dx) {
  for (int64_t n = 0; n < dx.rows; ++n) {
    for (int64_t d = 0; d < dx.cols; ++d) dtable(tokens[n], d) += dx(n, d);
  }
}

}  // namespace spectra::ops::reference
