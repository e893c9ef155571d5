// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/vec_avx512.h"

#include "ops/cpu/loops_inl.h"

#include "ops/cpu/attention_inl.h"

#include "ops/cpu/words_avx512bf16.h"

namespace spectra::ops::cpu {

const Loops& loops_avx512bf16() {
  static constexpr Loops table = make_loops<PairWords>("avx512 bf16");
  return table;
}

}  // namespace spectra::ops::cpu
