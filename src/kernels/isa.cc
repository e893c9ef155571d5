// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa.h"

#include <cstdlib>

#include "base/error.h"
#include "base/system.h"

namespace spectra::kernels {

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvxVnni:
      return "avxvnni";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Vnni:
      return "avx512vnni";
    case Isa::kNeon:
      return "neon";
  }
  return "?";
}

std::vector<Isa> available_isas() {
  std::vector<Isa> all = {Isa::kScalar};
  const CpuFeatures& cpu = cpu_features();
  if (cpu.avx2_fma_f16c) {
    all.push_back(Isa::kAvx2);
    if (cpu.avx_vnni) all.push_back(Isa::kAvxVnni);
    if (cpu.avx512) all.push_back(Isa::kAvx512);
    if (cpu.avx512 && cpu.avx512_vnni) all.push_back(Isa::kAvx512Vnni);
  }
  if (cpu.neon_dot) all.push_back(Isa::kNeon);
  return all;
}

Isa selected_isa() {
  static const Isa selected = [] {
    const std::vector<Isa> all = available_isas();
    const char* wanted = std::getenv("SPECTRA_ISA");
    if (wanted == nullptr || *wanted == '\0') return all.back();
    std::string names;
    for (const Isa isa : all) {
      if (std::string(wanted) == isa_name(isa)) return isa;
      names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
    }
    throw Error(Exit::kUsage, fmt::format("SPECTRA_ISA={} cannot be used on this CPU", wanted), "available here: " + names);
  }();
  return selected;
}

}  // namespace spectra::kernels
