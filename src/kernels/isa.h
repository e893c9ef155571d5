// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which instruction set the kernels use. Decided once per process: the best this CPU has, or what SPECTRA_ISA names
// ("scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "neon"). A name that cannot be honoured is an Error, never a silent
// fallback.
#include <string>
#include <vector>

namespace spectra::kernels {

/// kAvx512: F, BW, DQ, VL. kAvx512Vnni: with VBMI and BF16 where the CPU has them. kNeon: with the dot-product extension.
enum class Isa { kScalar, kAvx2, kAvxVnni, kAvx512, kAvx512Vnni, kNeon };
const char* isa_name(Isa isa);
/// The choice of this process. Throws Error when SPECTRA_ISA names an unknown set or one that this CPU lacks.
Isa selected_isa();
/// All sets that this CPU can run, from scalar to the best: what tests and `doctor` go through.
std::vector<Isa> available_isas();

}  // namespace spectra::kernels
