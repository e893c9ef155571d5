// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which instruction set the kernels use. Decided once per process: the best this CPU has, or what SPECTRA_ISA names
// ("scalar", "avx2", "avx512"). A name that cannot be honoured is an Error, never a silent fallback.
#include <string>
#include <vector>

namespace spectra::kernels {

enum class Isa { kScalar, kAvx2, kAvx512 };
const char* isa_name(Isa isa);
/// The choice of this process. Throws Error when SPECTRA_ISA names an unknown set or one that this CPU lacks.
Isa selected_isa();
/// All sets that this CPU can run, scalar first: what tests and `doctor` go through.
std::vector<Isa> available_isas();

}  // namespace spectra::kernels
