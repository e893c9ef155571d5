// SPDX-License-Identifier: Apache-2.0
#include "ops/gemm_peak.h"

#include <algorithm>

#include "base/stopwatch.h"

namespace spectra::ops {
namespace {

constexpr int kRepeats = 10;
constexpr double kLong = 0.2;  // seconds: larger products than one of this length would only take longer

/// Seconds of the fastest of kRepeats products of size x size matrices.
double fastest_product(Backend& backend, int64_t size) {
  const DType type = backend.activation();
  std::vector<Buffer> memory;
  std::vector<float> values(static_cast<size_t>(size * size));  // not zeros: those take less power, so more speed
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 17) / 16 - 0.5f;
  const auto tensor = [&] {
    memory.push_back(backend.allocate(values.size() * dtype_size(type)));
    const Tensor x(memory.back().data(), type, size, size);
    backend.copy_in(x, values.data());
    return x;
  };
  QuantizedWeight w;
  w.codes = tensor();
  const Tensor x = tensor(), y = tensor();
  backend.linear(y, x, w);  // compiles it
  backend.synchronize();
  double best = 1e9;
  for (int i = 0; i < kRepeats; ++i) {
    const Stopwatch watch;
    backend.linear(y, x, w);
    backend.synchronize();
    best = std::min(best, watch.seconds());
  }
  return best;
}

}  // namespace

double gemm_peak(Backend& backend) {
  double peak = 0;
  for (const int64_t size : {128, 256, 512, 1024, 2048}) {
    const double seconds = fastest_product(backend, size), cube = static_cast<double>(size * size * size);
    peak = std::max(peak, 2 * cube / seconds);
    if (seconds * 8 > kLong) break;  // the next has 8 times the work
  }
  return peak;
}

}  // namespace spectra::ops
