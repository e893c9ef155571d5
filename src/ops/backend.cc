// SPDX-License-Identifier: Apache-2.0
#include "ops/backend.h"

#include "base/system.h"
#include "ops/cpu/cpu_backend.h"
#include "ops/reference/reference_backend.h"

namespace spectra::ops {

void Backend::copy(Tensor to, Tensor from) {
  zero(to);
  add(to, from);
}

std::unique_ptr<Backend> make_backend(const std::string& device, const std::string& precision) {
  if (device == "cuda") throw Error(Exit::kFailed, "this build has no CUDA backend", "use the device cpu or auto");
  if (device != "cpu" && device != "auto") throw bad_input(fmt::format("unknown device \"{}\"", device), "use auto, cpu or cuda");
  if (precision == "reference-fp64") return std::make_unique<ReferenceBackend<double>>();
  if (precision == "reference") return std::make_unique<ReferenceBackend<float>>();
  if (precision == "fp32") return make_cpu_backend(DType::kF32);
  if (precision == "bf16") return make_cpu_backend(DType::kBf16);
  if (precision == "fp16") return make_cpu_backend(DType::kF16);
  if (precision == "auto") return make_cpu_backend(cpu_features().avx512_bf16 ? DType::kBf16 : DType::kF32);
  throw bad_input(fmt::format("unknown precision \"{}\"", precision), "use auto, bf16, fp16, fp32, reference or reference-fp64");
}

}  // namespace spectra::ops
