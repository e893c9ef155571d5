// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernels.h"

#include <map>
#include <mutex>

#include "base/error.h"
#include "base/system.h"
#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

#if defined(__x86_64__)
const char* avx512vnni_name(const CpuFeatures& cpu) {
  if (cpu.avx512_vbmi) return cpu.avx512_bf16 ? "avx512 (vnni, vbmi, bf16)" : "avx512 (vnni, vbmi)";
  return cpu.avx512_bf16 ? "avx512 (vnni, bf16)" : "avx512 (vnni)";
}
#endif

Kernels build(Isa isa) {
  Kernels table = scalar_kernels();
  table.name = isa_name(isa);
  if (isa == Isa::kScalar) return table;
  for (auto& kernel : table.matmul_tiles_bf16) kernel = nullptr;
#if defined(__x86_64__)
  const CpuFeatures& cpu = cpu_features();
  use_avx2(table);
  if (isa == Isa::kAvxVnni) {
    use_avxvnni(table);
    table.name = "avx2 (vnni)";
  }
  if (isa == Isa::kAvx512 || isa == Isa::kAvx512Vnni) use_avx512(table);
  if (isa == Isa::kAvx512Vnni) {
    use_avx512vnni(table);
    if (cpu.avx512_vbmi) use_avx512vbmi(table);
    if (cpu.avx512_bf16) use_avx512bf16(table);
    table.name = avx512vnni_name(cpu);
  }
#elif defined(__aarch64__)
  use_neon(table);
#else
  SPECTRA_CHECK(false, "isa={}", isa_name(isa));
#endif
  return table;
}

}  // namespace

const Kernels& kernels_for(Isa isa) {
  bool available = false;
  for (const Isa one : available_isas()) available = available || one == isa;
  SPECTRA_CHECK(available, "isa={}", isa_name(isa));
  static std::map<Isa, Kernels> tables;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const auto found = tables.find(isa);
  return found != tables.end() ? found->second : tables.emplace(isa, build(isa)).first->second;
}

const Kernels& kernels() {
  static const Kernels& selected = kernels_for(selected_isa());
  return selected;
}

}  // namespace spectra::kernels
