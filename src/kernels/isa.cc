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
    case Isa::kAvx512:
      return "avx512";
  }
  return "?";
}

std::vector<Isa> available_isas() {
  std::vector<Isa> all = {Isa::kScalar};
  if (cpu_features().avx2_fma_f16c) all.push_back(Isa::kAvx2);
  if (cpu_features().avx512 && cpu_features().avx2_fma_f16c) all.push_back(Isa::kAvx512);
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
