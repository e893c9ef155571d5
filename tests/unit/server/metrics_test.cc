// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <gtest/gtest.h>

namespace spectra::server {
namespace {

TEST(Metrics, BucketsAreCumulative) {
  Histogram h({1, 2});
  for (const double x : {0.5, 1.0, 1.5, 9.0}) h.observe(x);
  std::string out;
  h.write("x", "m=\"a\"", out);
  EXPECT_EQ(out,
            "x_bucket{m=\"a\",le=\"1\"} 2\nx_bucket{m=\"a\",le=\"2\"} 3\nx_bucket{m=\"a\",le=\"+Inf\"} 4\nx_sum{m=\"a\"} 12\n"
            "x_count{m=\"a\"} 4\n");
}

TEST(Metrics, NamesAreEscaped) {
  Metrics metrics;
  metrics.of("a\"b\\c\nd").text_finished("stop", 4);
  const std::string text = metrics.text({}, 0, 1);
  EXPECT_NE(text.find("spectra_generated_tokens_total{model=\"a\\\"b\\\\c\\nd\"} 4\n"), std::string::npos);
}

}  // namespace
}  // namespace spectra::server
