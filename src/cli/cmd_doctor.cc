// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/bandwidth.h"
#include "base/error.h"
#include "base/system.h"
#include "base/units.h"
#include "base/version.h"
#include "cli/command.h"
#include "kernels/kernels.h"
#include "lowbit/packed.h"
#include "ops/backend.h"
#include "ranks/ranks.h"

namespace spectra::cli {
namespace {

using kernels::Isa;
using kernels::Kernels;
using kernels::SelfTestResult;

/// The instruction sets that products with one kind of weights use, for each type of activations; empty where that does not exist.
struct Products {
  std::string weights, fp32, bf16, int8;
};

struct Diagnosis {
  std::vector<std::string> instructions;
  std::string training;  ///< what precision "auto" becomes
  std::vector<Products> products;
  double bandwidth = 0;                              ///< bytes per second
  std::vector<Isa> isas;                             ///< tested: all but the scalar twin itself, unless it is alone
  std::vector<std::vector<SelfTestResult>> results;  ///< of each of them, the same kernels in the same order
  size_t failed = 0;
};

std::vector<std::string> instruction_names() {
  const CpuFeatures& cpu = cpu_features();
  std::vector<std::string> names;
  const auto add = [&](bool present, const char* name) {
    if (present) names.emplace_back(name);
  };
  add(cpu.avx2_fma_f16c, "avx2+fma+f16c");
  add(cpu.avx_vnni, "avx_vnni");
  add(cpu.avx512, "avx512");
  add(cpu.avx512_vnni, "avx512_vnni");
  add(cpu.avx512_vbmi, "avx512_vbmi");
  add(cpu.avx512_bf16, "avx512_bf16");
  add(cpu.neon_dot, "neon+dotprod");
  return names;
}

/// The instruction set that the kernel in use comes from: the first whose table has the same.
template <class Kernel>
std::string origin(Kernel kernel_of) {
  for (const Isa isa : kernels::available_isas())
    if (kernel_of(kernels::kernels_for(isa)) == kernel_of(kernels::kernels())) return kernels::isa_name(isa);
  return kernels::kernels().name;
}

/// The same choice that infer/linear.cc makes.
std::vector<Products> products_in_use() {
  const auto bf16 = [](const std::string& isa) {
    return kernels::kernels().busy_bf16 != nullptr ? "avx512bf16" : isa + " (as fp32)";
  };
  const std::string f32 = origin([](const Kernels& k) { return k.matmul_f32; });
  const std::string f32_fp16 = origin([](const Kernels& k) { return k.matmul_f32_fp16; });
  std::vector<Products> all = {{"fp32", f32, f32 + " (as fp32)", ""},
                               {"fp16", f32_fp16, f32_fp16 + " (as fp32)", ""},
                               {"bf16", origin([](const Kernels& k) { return k.matmul_f32_bf16; }),
                                bf16(origin([](const Kernels& k) { return k.matmul_bf16; })), ""}};
  const std::string f32_i8 = origin([](const Kernels& k) { return k.matmul_f32_i8; });
  const std::string bf16_i8 = bf16(origin([](const Kernels& k) { return k.matmul_bf16_i8; }));
  for (size_t f = 0; f < lowbit::kFormats; ++f)
    all.push_back({lowbit::format_name(static_cast<lowbit::Format>(f)), f32_i8, bf16_i8,
                   origin([f](const Kernels& k) { return k.matmul_tiles_i8[f]; })});
  return all;
}

std::vector<SelfTestResult> test_kernels(Isa isa) {
  std::vector<SelfTestResult> results(kernels::self_test(isa, 1, nullptr, 0));
  kernels::self_test(isa, 1, results.data(), results.size());
  return results;
}

std::string training_precision() {
  try {
    return ops::make_backend("auto", "auto")->name();
  } catch (const Error& error) {
    return std::string("none: ") + error.what();
  }
}

Diagnosis diagnose(int threads) {
  Diagnosis d;
  d.instructions = instruction_names();
  d.training = training_precision();
  d.products = products_in_use();
  for (const Isa isa : kernels::available_isas())
    if (isa != Isa::kScalar || kernels::available_isas().size() == 1) d.isas.push_back(isa);
  for (const Isa isa : d.isas) {
    d.results.push_back(test_kernels(isa));
    for (const SelfTestResult& result : d.results.back()) d.failed += result.equal ? 0 : 1;
  }
  d.bandwidth = memory_read_bandwidth(threads);
  return d;
}

void line(const char* label, const std::string& value) { fmt::print("{:<14} {}\n", label, value); }

void print_products(const Diagnosis& d) {
  const auto row = [](const std::string& weights, const std::string& fp32, const std::string& bf16, const std::string& int8) {
    fmt::print("{:<14} {:<12} {:<20} {}\n", weights, fp32, bf16, int8);
  };
  fmt::print("\nInstructions for products, by weights and activations\n");
  row("weights", "fp32", "bf16", "int8");
  for (const Products& p : d.products) row("  " + p.weights, p.fp32, p.bf16, p.int8.empty() ? "-" : p.int8);
  if (kernels::kernels().busy_bf16 == nullptr)
    fmt::print(
        "These instructions have no bf16 products: bf16 activations are widened and multiplied as fp32, so they save no time.\n");
}

void print_self_test(const Diagnosis& d) {
  fmt::print("\nSelf-test of each instruction set against plain code\n{:<31}", "kernel");
  for (const Isa isa : d.isas) fmt::print(" {:<10}", kernels::isa_name(isa));
  fmt::print("\n");
  for (size_t k = 0; k < d.results.front().size(); ++k) {
    fmt::print("  {:<29}", d.results.front()[k].kernel);
    for (const auto& results : d.results) fmt::print(" {:<10}", !results[k].present ? "-" : results[k].equal ? "ok" : "WRONG");
    fmt::print("\n");
  }
}

void print_text(const Diagnosis& d, int threads) {
  line("spectra", tool_version());
  line("CPU", fmt::format("{}, {} cores", cpu_name(), cpu_count()));
  line("instructions",
       d.instructions.empty() ? "none that kernels are written for" : fmt::format("{}", fmt::join(d.instructions, ", ")));
  line("kernels", kernels::kernels().name);
  line("training", d.training);
  line("memory", fmt::format("{}, {} available", format_bytes(memory_total()), format_bytes(memory_available())));
  line("bandwidth", fmt::format("{:.1f} GB/s read by {} threads", d.bandwidth / 1e9, threads));
  line("MPI", ranks::mpi_version());
  line("GPU", "not built");
  print_products(d);
  print_self_test(d);
}

std::string as_json(const Diagnosis& d, int threads) {
  nlohmann::ordered_json tests;
  for (size_t i = 0; i < d.isas.size(); ++i)
    for (const SelfTestResult& result : d.results[i])
      if (result.present) tests[kernels::isa_name(d.isas[i])][result.kernel] = {{"equal", result.equal}, {"worst", result.worst}};
  nlohmann::ordered_json products;
  for (const Products& p : d.products) {
    products[p.weights] = {{"fp32", p.fp32}, {"bf16", p.bf16}};
    if (!p.int8.empty()) products[p.weights]["int8"] = p.int8;
  }
  const nlohmann::ordered_json document = {{"schema", "spectra.doctor/1"},
                                           {"version", tool_version()},
                                           {"cpu", cpu_name()},
                                           {"cores", cpu_count()},
                                           {"instruction_sets", d.instructions},
                                           {"kernels", kernels::kernels().name},
                                           {"products", products},
                                           {"training", d.training},
                                           {"memory_bytes", memory_total()},
                                           {"memory_available_bytes", memory_available()},
                                           {"read_bytes_per_second", d.bandwidth},
                                           {"threads", threads},
                                           {"mpi", ranks::mpi_version()},
                                           {"gpu", nullptr},
                                           {"self_test", tests},
                                           {"ok", d.failed == 0}};
  return document.dump();
}

void run_doctor() {
  const int threads = global().threads > 0 ? static_cast<int>(global().threads) : cpu_count();
  const Diagnosis d = diagnose(threads);
  if (global().json)
    print_json(as_json(d, threads));
  else
    print_text(d, threads);
  if (d.failed > 0)
    throw Error(Exit::kFailed, fmt::format("{} kernels do not compute what their scalar twin does", d.failed),
                "set SPECTRA_ISA=scalar to work without them, and report this with the output of `spectra doctor --json`");
}

}  // namespace

Command make_doctor() {
  return {.name = "doctor",
          .summary = "what this machine can do, and whether every kernel computes right on it",
          .run = [] { run_doctor(); },
          .examples = {"spectra doctor"}};
}

}  // namespace spectra::cli
