// SPDX-License-Identifier: Apache-2.0
#include "ops/timed_backend.h"

#include <gtest/gtest.h>

#include "ops/gemm_peak.h"

namespace spectra::ops {
namespace {

TEST(TimedBackend, CountsTheHeadApartAndChangesNothing) {
  TimedBackend timed(make_backend("cpu", "fp32"), 40);
  const auto plain = make_backend("cpu", "fp32");
  std::vector<float> results[2];
  for (Backend* backend : {static_cast<Backend*>(&timed), plain.get()}) {
    std::vector<Buffer> memory;
    const auto tensor = [&](int64_t rows, int64_t cols, float first) {
      std::vector<float> values(static_cast<size_t>(rows * cols));
      for (size_t i = 0; i < values.size(); ++i) values[i] = first + static_cast<float>(i % 7);
      memory.push_back(backend->allocate(values.size() * sizeof(float)));
      const Tensor x(memory.back().data(), DType::kF32, rows, cols);
      backend->copy_in(x, values.data());
      return x;
    };
    QuantizedWeight linear, head;
    linear.codes = tensor(32, 16, 1);
    head.codes = tensor(40, 32, 2);
    const Tensor x = tensor(8, 16, 3), middle = tensor(8, 32, 0), y = tensor(8, 40, 0), dw = tensor(40, 32, 1);
    backend->linear(middle, x, linear);
    if (backend == &timed) {
      EXPECT_GT(timed.seconds(Part::kLinear), 0);
      EXPECT_EQ(timed.seconds(Part::kHead), 0);
    }
    backend->linear(y, middle, head);
    backend->linear_dw(dw, y, middle);
    std::vector<float>& result = results[backend == plain.get()];
    result.resize(static_cast<size_t>(dw.size()));
    backend->copy_out(result.data(), dw);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_GT(timed.seconds(Part::kHead), 0);
  EXPECT_EQ(timed.seconds(Part::kAttention), 0);
  ASSERT_EQ(timed.products().size(), 3u);
  EXPECT_EQ(timed.products()[0].pass, "forward");
  timed.reset();
  EXPECT_EQ(timed.seconds(Part::kHead), 0);
}

TEST(GemmPeak, IsMeasured) { EXPECT_GT(gemm_peak(*make_backend("cpu", "reference")), 0); }

}  // namespace
}  // namespace spectra::ops
