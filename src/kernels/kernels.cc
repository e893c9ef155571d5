// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernels.h"

#include "base/error.h"
#include "base/system.h"
#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

const char* avx512_name(const CpuFeatures& cpu) {
  if (cpu.avx512_vnni) return cpu.avx512_bf16 ? "avx512 (vnni, bf16)" : "avx512 (vnni)";
  return cpu.avx512_bf16 ? "avx512 (bf16)" : "avx512";
}

Kernels build(Isa isa) {
  Kernels table = scalar_kernels();
#if defined(__x86_64__)
  const CpuFeatures& cpu = cpu_features();
  if (isa != Isa::kScalar) {
    use_avx2(table);
    table.name = "avx2";
  }
  if (isa == Isa::kAvx512) {
    use_avx512(table);
    if (cpu.avx512_vnni) use_avx512vnni(table);
    if (cpu.avx512_bf16) use_avx512bf16(table);
    table.name = avx512_name(cpu);
  }
#else
  SPECTRA_CHECK(isa == Isa::kScalar);
#endif
  return table;
}

}  // namespace

const Kernels& kernels_for(Isa isa) {
  bool available = false;
  for (const Isa one : available_isas()) available = available || one == isa;
  SPECTRA_CHECK(available, "isa={}", isa_name(isa));
  static const Kernels scalar = build(Isa::kScalar);
  if (isa == Isa::kScalar) return scalar;
  static const Kernels avx2 = build(Isa::kAvx2);
  if (isa == Isa::kAvx2) return avx2;
  static const Kernels avx512 = build(Isa::kAvx512);
  return avx512;
}

const Kernels& kernels() {
  static const Kernels& selected = kernels_for(selected_isa());
  return selected;
}

}  // namespace spectra::kernels
