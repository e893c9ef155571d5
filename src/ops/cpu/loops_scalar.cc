// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/vec_scalar.h"

#include "ops/cpu/loops_inl.h"

#include "ops/cpu/attention_inl.h"

namespace spectra::ops::cpu {

const Loops& loops_scalar() {
  static constexpr Loops table = make_loops<FloatWords<bf16>>("scalar");
  return table;
}

}  // namespace spectra::ops::cpu
