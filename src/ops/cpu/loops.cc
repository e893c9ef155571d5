// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/loops.h"

#include "base/system.h"

namespace spectra::ops::cpu {

const Loops& loops_for(kernels::Isa isa, bool bf16_dot) {
#if defined(__x86_64__)
  switch (isa) {
    case kernels::Isa::kScalar:
      return loops_scalar();
    case kernels::Isa::kAvx2:
    case kernels::Isa::kAvxVnni:
      return loops_avx2();
    case kernels::Isa::kAvx512:
    case kernels::Isa::kAvx512Vnni:
      return bf16_dot ? loops_avx512bf16() : loops_avx512();
    case kernels::Isa::kNeon:
      break;
  }
#endif
  return loops_scalar();
}

const Loops& loops() { return loops_for(kernels::selected_isa(), cpu_features().avx512_bf16); }

}  // namespace spectra::ops::cpu
