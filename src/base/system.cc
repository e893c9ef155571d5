// SPDX-License-Identifier: Apache-2.0
#include "base/system.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>

#include "base/error.h"
#include "base/units.h"

namespace spectra {
namespace {

/// The number after `key` in a file of "key value" lines (/proc/meminfo), in kB; 0 where absent.
uint64_t proc_kilobytes(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.rfind(key, 0) == 0) return std::strtoull(line.c_str() + key.size(), nullptr, 10);
  return 0;
}

/// Bytes left under the cgroup v2 limit; UINT64_MAX without one.
uint64_t cgroup_available() {
  std::ifstream limit_file("/sys/fs/cgroup/memory.max"), used_file("/sys/fs/cgroup/memory.current");
  uint64_t limit = 0, used = 0;
  if (!(limit_file >> limit) || !(used_file >> used)) return UINT64_MAX;
  return limit > used ? limit - used : 0;
}

/// Read by other threads than the one that the signal interrupts.
std::atomic<int> signals_seen = 0;
static_assert(std::atomic<int>::is_always_lock_free);  // a signal handler may touch it

void on_signal(int) {
  if (++signals_seen > 1) _exit(static_cast<int>(Exit::kInterrupted));
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = [] {
    CpuFeatures f;
#if defined(__x86_64__)
    __builtin_cpu_init();
    f.avx2_fma_f16c = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    f.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
    f.avx512_vnni = f.avx512 && __builtin_cpu_supports("avx512vnni");
    f.avx512_vbmi = f.avx512 && __builtin_cpu_supports("avx512vbmi");
    f.avx512_bf16 = f.avx512 && __builtin_cpu_supports("avx512bf16");
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);)
      if (line.rfind("flags", 0) == 0) {
        f.avx_vnni = (line + " ").find(" avx_vnni ") != std::string::npos;
        f.avx2_fma_f16c = f.avx2_fma_f16c && (line + " ").find(" f16c ") != std::string::npos;
        break;
      }
#elif defined(__aarch64__)
    f.neon_dot = (::getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
    return f;
  }();
  return features;
}

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown CPU";
}

int cpu_count() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

uint64_t memory_total() { return proc_kilobytes("/proc/meminfo", "MemTotal:") * 1024; }
uint64_t memory_available() { return std::min(proc_kilobytes("/proc/meminfo", "MemAvailable:") * 1024, cgroup_available()); }

uint64_t memory_resident() { return proc_kilobytes("/proc/self/status", "VmRSS:") * 1024; }

uint64_t memory_peak() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

uint64_t disk_free(const std::filesystem::path& path) {
  std::filesystem::path existing = std::filesystem::absolute(path);
  while (!std::filesystem::exists(existing) && existing.has_relative_path()) existing = existing.parent_path();
  struct statvfs info {};
  if (::statvfs(existing.c_str(), &info) != 0) throw io_error("read the free space of", existing.string());
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

void require_memory(uint64_t needed, const std::string& what, const std::string& suggestion) {
  require_memory(needed, memory_available(), what, suggestion);
}

void require_memory(uint64_t needed, uint64_t available, const std::string& what, const std::string& suggestion) {
  if (needed <= available) return;
  throw Error(Exit::kRefused,
              fmt::format("{} needs about {} of memory, {} are available", what, format_bytes(needed), format_bytes(available)),
              suggestion);
}

void require_disk(uint64_t needed, const std::filesystem::path& path, const std::string& what) {
  const uint64_t available = disk_free(path);
  if (needed <= available) return;
  throw Error(Exit::kRefused,
              fmt::format("{} needs about {} of disk under {}, {} are free", what, format_bytes(needed), path.string(),
                          format_bytes(available)),
              "free some space or choose another place with --out");
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return signals_seen > 0; }

void check_interrupted(const std::string& state) {
  if (interrupted()) throw Error(Exit::kInterrupted, state.empty() ? "interrupted" : "interrupted; " + state);
}

std::string utc_time() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace spectra
