// SPDX-License-Identifier: Apache-2.0
#include "analysis/weights/error_map.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "test_data.h"

namespace spectra::analysis {
namespace {

std::string document(const std::string& linears) {
  return R"({"schema": "spectra.quantize/1", "method": "gptq", "bits": 4, "group_size": -1, "float_perplexity": 4.5,
             "quantized_perplexity": 5.0, "linears": [)" +
         linears + "]}";
}

TEST(ErrorMap, ShowsEveryLayer) {
  const test::TemporaryDirectory directory;
  write_file(directory / "small.json",
             document(R"({"name": "model.layers.0.mlp.up_proj", "output_error": 0.01, "weight_error": 0.2},
                         {"name": "model.layers.11.mlp.up_proj", "output_error": 0.16, "weight_error": 0.2},
                         {"name": "model.layers.11.mlp.down_proj", "output_error": 0.04, "weight_error": 0.2})"));
  const QuantizedModel model = read_quantized(directory / "small.json");
  EXPECT_EQ(model.projections, (std::vector<std::string>{"up_proj", "down_proj"}));
  EXPECT_EQ(model.errors.at(11).at("down_proj"), 0.04);
  const std::string html = error_maps({model});
  EXPECT_NE(html.find("small: 4 bits, gptq, a scale a row"), std::string::npos);
  EXPECT_NE(html.find("0.05)\">1.00<"), std::string::npos);  // the smallest
  EXPECT_NE(html.find("0.80)\">16.00<"), std::string::npos);
  EXPECT_NE(html.find("0.42)\">4.00<"), std::string::npos);  // in the middle of 1 and 16 on a logarithmic scale
  EXPECT_NE(html.find("<td>–</td>"), std::string::npos);     // block 0 has no down_proj
  EXPECT_EQ(error_maps({}), "");
}

TEST(ErrorMap, EachMapSaysWhatItsErrorsAreOf) {
  const test::TemporaryDirectory directory;
  const std::string first = R"({"name": "model.layers.0.mlp.up_proj", "output_error": 0.01, "weight_error": 0.2})",
                    second = R"({"name": "model.layers.1.mlp.up_proj", "output_error": null, "weight_error": 0.3})";
  write_file(directory / "calibrated.json", document(first));
  write_file(directory / "mixed.json", document(second + "," + first));  // comparable only by weights
  const QuantizedModel calibrated = read_quantized(directory / "calibrated.json"), mixed = read_quantized(directory / "mixed.json");
  EXPECT_EQ(mixed.errors.at(0).at("up_proj"), 0.2);
  const std::string html = error_maps({calibrated, mixed});
  const size_t outputs = html.find("Errors of the outputs"), weights = html.find("Errors of the weights");
  EXPECT_LT(html.find("<h3>calibrated"), outputs);
  EXPECT_LT(outputs, html.find("<h3>mixed"));
  EXPECT_LT(html.find("<h3>mixed"), weights);
  EXPECT_NE(weights, std::string::npos);
}

TEST(ErrorMap, OtherFilesAreRefused) {
  const test::TemporaryDirectory directory;
  for (const std::string& text :
       {std::string("{}"), std::string("no json"), document(R"({"name": "lm_head", "output_error": 0.1})")}) {
    write_file(directory / "f.json", text);
    EXPECT_THROW(read_quantized(directory / "f.json"), Error) << text;
  }
}

}  // namespace
}  // namespace spectra::analysis
