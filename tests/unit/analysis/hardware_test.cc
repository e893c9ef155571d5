// SPDX-License-Identifier: Apache-2.0
// The paper's statements on memory and speed (its section 2.1 and appendix F), computed.
#include "analysis/hardware.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace spectra::analysis {
namespace {

double linear_of(const std::string& name) {
  for (const LlamaShape& shape : llama_shapes())
    if (name == shape.name) return shape.linear();
  return 0;
}
double memory_of(const std::string& name) {
  for (const Accelerator& one : known_accelerators())
    if (one.name == name) return 1e9 * one.memory_gb;
  return 0;
}

TEST(Hardware, ShapesHaveTheirParameters) {
  EXPECT_NEAR(linear_of("7B"), 6.476e9, 1e6);
  EXPECT_NEAR(linear_of("70B"), 68.45e9, 1e7);
  EXPECT_NEAR(linear_of("405B"), 401.6e9, 1e8);
  for (const LlamaShape& shape : llama_shapes())  // the interpolation passes through them
    EXPECT_NEAR(llama_embedding(shape.linear()) / (2 * kLlamaVocabulary * shape.hidden), 1, 1e-9) << shape.name;
}

TEST(Hardware, ModelsThatThePaperSaysFit) {
  const double h100 = memory_of("H100 SXM");
  EXPECT_EQ(h100, 80e9);
  EXPECT_LT(llama_bits(linear_of("34B"), 16) / 8, h100);         // 70.6 GB: it fits,
  EXPECT_GT(llama_bits(linear_of("34B"), 16) / 8, 0.85 * h100);  // and fills it
  EXPECT_GT(llama_bits(340e9, 16) / 8, 8 * h100);
  EXPECT_LT(llama_bits(linear_of("70B"), 4.25) / 8, 0.55 * h100);  // generous: half of the memory stays free
  EXPECT_GT(largest_llama(h100, 4.25), 140e9);
  EXPECT_GT(largest_llama(memory_of("MI300X"), 4.25), 300e9);
  EXPECT_GT(largest_llama(h100, 1.58), 300e9);
  EXPECT_LT(largest_llama(h100, 2), 300e9);  // packed to 1.6 bits, that is; 2 bits a weight are too many
}

TEST(Hardware, DecodeSpeedups) {
  EXPECT_NEAR(decode_speedup(linear_of("7B"), 1.58), 4.45, 0.01);
  // The paper says "2x" over 4-bit at 7B.
  EXPECT_NEAR(decode_speedup(linear_of("7B"), 1.58) / decode_speedup(linear_of("7B"), 4.25), 1.64, 0.01);
  EXPECT_EQ(decode_speedup(linear_of("7B"), 16), 1);
  // Its plateaus "4x" and "10x": 16 / 4.25 = 3.76 is never passed, and even 405B stays below 10.
  EXPECT_LT(decode_speedup(1e15, 4.25), 16 / 4.25);
  EXPECT_GT(decode_speedup(1e15, 4.25), 3.7);
  EXPECT_NEAR(decode_speedup(linear_of("405B"), 1.58), 9.25, 0.01);
  EXPECT_LT(decode_speedup(1e15, 1.58), 16 / 1.58);
  EXPECT_GT(decode_speedup(1e15, 1.58), 10);
}

TEST(Hardware, LargestModelFillsTheMemory) {
  for (const double bits : {16.0, 4.25, 1.58}) {
    const double parameters = largest_llama(80e9, bits);
    double linear = parameters;
    for (int i = 0; i < 200; ++i) linear = parameters - llama_embedding(linear);
    EXPECT_NEAR(llama_bits(linear, bits) / 8, 80e9, 1e3);
  }
  EXPECT_NEAR(largest_llama(80e9, 16), 40e9, 1);  // 16 bits for all of it
  EXPECT_EQ(largest_llama(1, 1), 0);
}

TEST(Hardware, TrendsFall) {
  const std::vector<Accelerator> all = known_accelerators();
  EXPECT_EQ(all.size(), 18u);
  for (const Accelerator& one : all) {  // the ranges of the paper's figure 2
    EXPECT_GT(one.memory_gb / one.tflops, 0.05) << one.name;
    EXPECT_LT(one.memory_gb / one.tflops, 0.40) << one.name;
    EXPECT_LT(one.bandwidth_tbps / one.tflops, 0.010) << one.name;
    EXPECT_FALSE(one.source.empty());
  }
  const std::vector<Trend> trends = hardware_trends(all);
  EXPECT_EQ(trends.size(), 5u);
  EXPECT_EQ(trends.back().vendor, "all");
  EXPECT_LT(trends.back().gb_slope, 0);
  EXPECT_LT(trends.back().tbps_slope, 0);
}

TEST(Hardware, ListsOfUsers) {
  const std::string header = "vendor,name,year,tflops,memory_gb,bandwidth_tbps\n";
  const auto all = parse_accelerators(header + "X,one,2020,100,50,1\nX,two,2022,200,60,1\nY,only,2021,10,1,1\n", "file");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1].memory_gb, 60);
  const std::vector<Trend> trends = hardware_trends(all);
  ASSERT_EQ(trends.size(), 2u);  // Y has one year only
  EXPECT_NEAR(trends[0].gb_slope, (0.3 - 0.5) / 2, 1e-12);
  EXPECT_NEAR(trends[0].gb_at_2020, 0.5, 1e-12);
  EXPECT_NEAR(trends[0].tbps_slope, -0.0025, 1e-12);
  EXPECT_THROW(parse_accelerators("name,vendor\n", "file"), Error);
  EXPECT_THROW(parse_accelerators("", "file"), Error);
  try {
    parse_accelerators(header + "X,one,2020,fast,50,1\n", "my.csv");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "my.csv line 2: tflops is \"fast\"");
  }
}

}  // namespace
}  // namespace spectra::analysis
