// SPDX-License-Identifier: Apache-2.0
// Weight quantizers against torch: tests/golden/make_training_golden.py. Codes and scales must be equal, not near.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ops/reference/reference_backend.h"
#include "test_data.h"

namespace spectra::ops {
namespace {

using nlohmann::json;

template <class T>
class Quantizers : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Quantizers, Types);

/// One case of the file, as rows [2, 2 + rows) of a larger stacked matrix.
template <class T>
void check(const json& golden) {
  SCOPED_TRACE(golden["name"].get<std::string>());
  const int64_t rows = golden["rows"], cols = golden["cols"], begin = 2;
  std::vector<T> weights = golden["weights"], codes(static_cast<size_t>((rows + begin) * cols), T(7));
  const auto bounds = golden["bounds"].get<std::vector<int64_t>>();
  const WeightKind kind = golden["family"] == "ternary" ? WeightKind::kTernary : WeightKind::kBinary;

  ReferenceBackend<T> backend;
  const DType type = DTypeOf<T>::value;
  QuantizedWeight out;
  out.codes = Tensor(codes.data(), type, rows + begin, cols);
  out.by_rows = golden["by_rows"];
  out.bounds = bounds;
  if (out.by_rows) {  // a shard of the rows before
    for (int64_t& bound : out.bounds) bound += begin;
    out.bounds.insert(out.bounds.begin(), 0);
  }
  std::vector<T> all_scales(static_cast<size_t>(out.shards()));
  out.scales = Tensor(all_scales.data(), type, 1, out.shards());
  backend.quantize_weight(out, kind, begin, Tensor(weights.data(), type, rows, cols), Tensor());
  const std::vector<T> scales(all_scales.end() - static_cast<std::ptrdiff_t>(bounds.size() - 1), all_scales.end());

  for (size_t i = 0; i < codes.size(); ++i) {
    const size_t before = static_cast<size_t>(begin * cols);
    EXPECT_EQ(static_cast<double>(codes[i]), i < before ? 7.0 : golden["codes"][i - before].get<double>()) << "code " << i;
  }
  for (size_t s = 0; s < scales.size(); ++s) {
    EXPECT_EQ(static_cast<double>(scales[s]), golden["scales"][s].get<double>());
    for (int64_t line = bounds[s]; line < bounds[s + 1]; ++line) {
      const auto next = std::upper_bound(out.bounds.begin(), out.bounds.end(), out.by_rows ? begin + line : line);
      const T found = all_scales[static_cast<size_t>(next - out.bounds.begin() - 1)];
      EXPECT_EQ(static_cast<double>(found), golden["scales"][s].get<double>()) << "line " << line;
    }
  }
}

TYPED_TEST(Quantizers, EqualTorch) {
  std::ifstream file(test::golden("quantizers.json"));
  const json golden = json::parse(file);
  ASSERT_GE(golden["cases"].size(), 10u);
  for (const json& one : golden["cases"]) check<TypeParam>(one);
}

}  // namespace
}  // namespace spectra::ops
