// SPDX-License-Identifier: Apache-2.0
// Whole models, on a trained one.
#include "quantize/job.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "model/import_llama2c.h"
#include "quantize/calibration.h"
#include "quantize/moments.h"
#include "quantize/solve.h"
#include "quantize/stream.h"
#include "unit/infer/models.h"

namespace spectra::quantize {
namespace {

class QuantizeJob : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path source = test::data_directory() / "model/stories260k";
    SPECTRA_NEEDS_DATA(source / "stories260K.bin");
    SPECTRA_NEEDS_DATA(text());
    model::convert_llama2c(source / "stories260K.bin", source / "tok512.bin", directory_ / "model");
  }
  static fs::path text() { return test::data_directory() / "text/wikitext2-test.raw.gz"; }
  Job job(const std::string& out, Method method, int bits = 4) const {
    Job j;
    j.model = directory_ / "model", j.out = directory_ / out, j.calibration = text();
    j.options.method = method, j.options.bits = bits, j.options.group_size = 0;
    j.samples = 24, j.sequence = 128, j.precision = "fp32";
    return j;
  }
  std::string weights_of(const Job& j) const { return sha256_file(j.out / "model.safetensors"); }
  test::TemporaryDirectory directory_;
};

TEST_F(QuantizeJob, GptqBeatsRoundingOnRealHessians) {
  const format::ModelDirectory directory(directory_ / "model");
  const model::Config config = model::config_from_json(directory.config_json(), "config.json");
  const Weights weights = [&](const std::string& name) {
    std::vector<float> values(static_cast<size_t>(directory.get(name).elements()));
    format::read_floats(directory.get(name), values.data());
    return values;
  };
  const Calibration calibration = read_calibration(text(), text::Tokenizer::load(directory_ / "model"), config.vocab, 16, 256, 1);
  const auto backend = ops::make_backend("cpu", "fp32");
  Stream stream(*backend, config, calibration.tokens, 256, weights, {});
  int compared = 0;
  for (int64_t block = 0; block < config.layers; ++block) {
    stream.load_block(block, weights);
    for (const Step step : kSteps) {
      MomentSums sums(*backend, std::max<int64_t>(1, input_width(config, step)), false);
      for (int64_t chunk = 0; chunk < stream.chunks(); ++chunk) {
        const ops::Tensor x = stream.run(step, chunk);
        if (step != Step::kEnd) sums.add(x, {});
      }
      const Moments moments = step == Step::kEnd ? Moments() : sums.moments();
      for (const model::Parameter& p : model::parameters(config)) {
        if (step == Step::kEnd || p.role != model::Role::kLinear || step_of(p.slot) != step) continue;
        if (p.name.rfind(fmt::format("model.layers.{}.", block), 0) != 0) continue;
        const std::vector<float> w = weights(p.name);
        Options options;
        options.bits = 3;
        const Factor factor = factorize(moments, options, p.name);
        const Solved gptq = solve(w.data(), p.rows, p.cols, &factor, options, p.name);
        options.method = Method::kRtn;
        const Solved rtn = solve(w.data(), p.rows, p.cols, nullptr, options, p.name);
        const double rounding =
            output_energy(w.data(), &rtn.matrix, p.rows, p.cols, moments.inputs) + factor.damping * rtn.squared_difference;
        EXPECT_LE(gptq.error, rounding) << p.name;
        const double direct =
            output_energy(w.data(), &gptq.matrix, p.rows, p.cols, moments.inputs) + factor.damping * gptq.squared_difference;
        EXPECT_NEAR(gptq.error / direct, 1, 1e-3) << p.name;
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, 7 * config.layers);
}

TEST_F(QuantizeJob, EveryMethodWritesAModelThatItsReportDescribes) {
  for (const Method method : {Method::kRtn, Method::kGptq, Method::kGptaq}) {
    const Job j = job(method_name(method), method, 8);
    const Report report = quantize_model(j);
    EXPECT_EQ(report.linears.size(), 35u);
    EXPECT_NEAR(*report.quantized_perplexity / *report.float_perplexity, 1, 0.01) << method_name(method);
    for (const LinearReport& l : report.linears) {
      EXPECT_GT(l.output_error, 0) << l.name;
      EXPECT_LT(l.output_error, 0.02) << l.name;
      EXPECT_LT(l.weight_error, 0.02) << l.name;
    }
    EXPECT_FALSE(fs::exists(j.out.string() + ".partial"));
  }
}

TEST_F(QuantizeJob, RoundingNeedsNoCalibrationAndGivesTheSameModel) {
  Job with = job("with", Method::kRtn), without = job("without", Method::kRtn);
  without.calibration.clear();
  quantize_model(with);
  EXPECT_FALSE(quantize_model(without).float_perplexity.has_value());
  EXPECT_EQ(weights_of(with), weights_of(without));
  Job gptq = job("gptq", Method::kGptq);
  gptq.calibration.clear();
  EXPECT_THROW(quantize_model(gptq), Error);
}

TEST_F(QuantizeJob, SeedsChooseOtherPlaces) {
  Job one = job("one", Method::kGptq), again = job("again", Method::kGptq), two = job("two", Method::kGptq);
  two.seed = 2;
  for (const Job& j : {one, again, two}) quantize_model(j);
  EXPECT_EQ(weights_of(one), weights_of(again));
  EXPECT_NE(weights_of(one), weights_of(two));
}

TEST_F(QuantizeJob, GroupsThatDoNotFit) {
  Job j = job("out", Method::kRtn);
  j.options.group_size = 128;  // widths 64 and 172
  j.group_given = true;
  EXPECT_THROW(quantize_model(j), Error);
  j.group_given = false;
  EXPECT_EQ(quantize_model(j).options.group_size, 0);
}

TEST_F(QuantizeJob, ATextShorterThanASequenceIsRefused) {
  write_file(directory_ / "short.txt", "Once upon a time.");
  Job j = job("out", Method::kGptq);
  j.calibration = directory_ / "short.txt";
  EXPECT_THROW(quantize_model(j), Error);
  EXPECT_FALSE(fs::exists(j.out));
}

}  // namespace
}  // namespace spectra::quantize
