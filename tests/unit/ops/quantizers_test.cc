// SPDX-License-Identifier: Apache-2.0
// Weight quantizers against torch: tests/golden/make_training_golden.py. Codes and scales must be equal, not near.
#include <gtest/gtest.h>

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
  std::vector<float> row_scale(static_cast<size_t>(rows + begin)), col_scale(static_cast<size_t>(cols));
  QuantizeSpec spec;
  spec.kind = golden["family"] == "ternary" ? WeightKind::kTernary : WeightKind::kBinary;
  spec.row_begin = begin;
  spec.by_rows = golden["by_rows"];
  spec.bounds = golden["bounds"].get<std::vector<int64_t>>();
  std::vector<T> scales(spec.bounds.size() - 1);

  ReferenceBackend<T> backend;
  const DType type = DTypeOf<T>::value;
  QuantizedWeight out;
  out.codes = Tensor(codes.data(), type, rows + begin, cols);
  (spec.by_rows ? out.row_scale : out.col_scale) = (spec.by_rows ? row_scale : col_scale).data();
  backend.quantize_weight(out, spec, Tensor(weights.data(), type, rows, cols),
                          Tensor(scales.data(), type, 1, static_cast<int64_t>(scales.size())), nullptr);

  for (size_t i = 0; i < codes.size(); ++i) {
    const size_t before = static_cast<size_t>(begin * cols);
    EXPECT_EQ(static_cast<double>(codes[i]), i < before ? 7.0 : golden["codes"][i - before].get<double>()) << "code " << i;
  }
  for (size_t s = 0; s < scales.size(); ++s) {
    EXPECT_EQ(static_cast<double>(scales[s]), golden["scales"][s].get<double>());
    for (int64_t line = spec.bounds[s]; line < spec.bounds[s + 1]; ++line) {
      const float found = spec.by_rows ? row_scale[static_cast<size_t>(begin + line)] : col_scale[static_cast<size_t>(line)];
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
