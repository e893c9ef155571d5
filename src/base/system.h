// SPDX-License-Identifier: Apache-2.0
#pragma once
// What this machine is and what this process uses.
#include <cstdint>
#include <filesystem>
#include <string>

namespace spectra {

/// Instruction sets of this CPU that kernels are written for.
struct CpuFeatures {
  bool avx2_fma_f16c = false;
  bool avx_vnni = false;
  bool avx512 = false;  ///< F, BW, DQ, VL
  bool avx512_vnni = false;
  bool avx512_vbmi = false;
  bool avx512_bf16 = false;
  bool neon_dot = false;  ///< Arm: Advanced SIMD with dot products
};
const CpuFeatures& cpu_features();
std::string cpu_name();
/// Cores this process may run on.
int cpu_count();

uint64_t memory_total();
/// What the kernel would hand out without swapping (MemAvailable), capped by the cgroup's limit.
uint64_t memory_available();
uint64_t memory_resident();  ///< resident set of this process now, bytes
uint64_t memory_peak();      ///< its peak
uint64_t disk_free(const std::filesystem::path& path);

/// Throws Error (exit 5) with the numbers when `needed` bytes are more than is available. `what`: "training", "the model".
void require_memory(uint64_t needed, const std::string& what, const std::string& suggestion);
/// Refuses in the same way where a device's own memory has `available` bytes.
void require_memory(uint64_t needed, uint64_t available, const std::string& what, const std::string& suggestion);
/// Refuses in the same way where the disk under `path` has not that much room.
void require_disk(uint64_t needed, const std::filesystem::path& path, const std::string& what);

/// SIGINT and SIGTERM set a flag that long work polls; a second one ends the process at once.
void catch_interrupts();
bool interrupted();
/// Throws Error(kInterrupted) once a signal came. `state`: what was kept, for the message.
void check_interrupted(const std::string& state = "");

/// Today as "2026-11-22T10:00:00Z".
std::string utc_time();

}  // namespace spectra
