// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/vec_avx2.h"

#include "ops/cpu/loops_inl.h"

#include "ops/cpu/attention_inl.h"

namespace spectra::ops::cpu {

const Loops& loops_avx2() {
  static constexpr Loops table = make_loops<FloatWords<bf16>>("avx2");
  return table;
}

}  // namespace spectra::ops::cpu
