// SPDX-License-Identifier: Apache-2.0
#include "analysis/report/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>

#include "analysis/chart/axes.h"
#include "analysis/report/report.h"
#include "base/error.h"
#include "study_example.h"
#include "test_data.h"

namespace spectra::analysis {
namespace {

/// Elements that are not closed in order, for markup that closes all of its own.
std::vector<std::string> unbalanced(const std::string& markup) {
  std::vector<std::string> open, faults;
  const std::regex tag("<(/?)([a-z0-9]+)([^<>]*)>");
  for (std::sregex_iterator it(markup.begin(), markup.end(), tag), end; it != end; ++it) {
    const std::string name = (*it)[2], rest = (*it)[3];
    if (!rest.empty() && rest.back() == '/') continue;
    if (!(*it)[1].length()) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      faults.push_back(name);
    } else {
      open.pop_back();
    }
  }
  faults.insert(faults.end(), open.begin(), open.end());
  return faults;
}

Chart example() {
  Chart chart{"A <title> & more", "x", "y \"quoted\"", {}};
  Series points{"<b>", {1, 10, 100}, {0.5, NAN, 0.25}, 1, true};
  points.low = {0.4, NAN, 0.2};
  points.high = {0.6, NAN, 0.3};
  points.notes = {"first </script>", "second", "third"};
  points.marker = Marker::kDiamond;
  Series line{"line", {1, 10, 100}, {0.1, 0.2, 0.3}};
  line.hover = false;
  chart.series = {points, line};
  chart.marks = {{10, "a < b"}};
  chart.incidents = {{20, "<i>"}};
  chart.log_x = true;
  return chart;
}

TEST(Figure, IsWellFormedWhateverItsTextsHold) {
  for (const bool log_y : {false, true})
    for (const bool small : {false, true}) {
      Chart chart = example();
      chart.log_y = log_y;
      chart.small = small;
      EXPECT_EQ(unbalanced(to_svg(chart)), std::vector<std::string>{});
      EXPECT_EQ(to_svg(chart).find("nan"), std::string::npos);
      const std::string html = to_html(Figure{"f", "A & B", {chart}, "", {}, "spectra report 'a<b'"});
      EXPECT_EQ(html.find("<b>"), std::string::npos);
      EXPECT_EQ(html.find("first </script>"), std::string::npos);  // would end the data early
      EXPECT_NE(html.find("A &amp; B"), std::string::npos);
      EXPECT_NE(html.find("'a&lt;b'"), std::string::npos);
    }
}

TEST(Figure, DotPlotsAndNamedColumnsAreWellFormed) {
  Chart rows{"t", "loss", "", {{"s", {1.5, 2.5}, {0, 1}, 0, true}}};
  rows.rows = {"first & foremost", "second"};
  EXPECT_EQ(unbalanced(to_svg(rows)), std::vector<std::string>{});
  EXPECT_NE(to_svg(rows).find("first &amp; foremost"), std::string::npos);
  Chart columns{"t", "bits", "loss", {{"s", {0, 1}, {1, 2}}}};
  columns.columns = {"8", "6"};
  columns.zero_line = true;
  EXPECT_EQ(unbalanced(to_svg(columns)), std::vector<std::string>{});
  EXPECT_NE(to_svg(columns).find("class=\"zero\""), std::string::npos);
}

TEST(Figure, ItsDataIsWhatCanBeAskedFor) {
  const Table table = data_of({example()});
  EXPECT_EQ(table.columns, (std::vector<std::string>{"series", "x", "y \"quoted\"", "low", "high"}));
  ASSERT_EQ(table.rows.size(), 2u);  // not the NaN, not the line
  EXPECT_EQ(table.rows[1][0].text, "third");
  EXPECT_EQ(table.rows[1][2].value, 0.25);
  EXPECT_EQ(table.rows[1][4].value, 0.3);
}

TEST(Figure, ValuesOfThePointsReachTheScript) {
  const auto points = nlohmann::json::parse(hover_points(example()));
  ASSERT_EQ(points["series"].size(), 1u);
  ASSERT_EQ(points["series"][0]["points"].size(), 2u);
  EXPECT_EQ(points["series"][0]["points"][1][2], "third\nx 100\ny \"quoted\" 0.25");
}

TEST(Table, CsvKeepsEveryDigitAndQuotes) {
  const Table table{{"name, of", "value"}, {{"a \"b\"", Cell(1.0 / 3)}, {"c", Cell(std::nan(""))}, {"d", Cell(2.5, "shown")}}};
  EXPECT_EQ(to_csv(table), "\"name, of\",value\n\"a \"\"b\"\"\",0.3333333333333333\nc,\nd,2.5\n");
  EXPECT_EQ(unbalanced(to_html(table, "label")), std::vector<std::string>{});
  EXPECT_NE(to_html(table, "label").find("data-value=\"2.5\">shown<"), std::string::npos);
  EXPECT_NE(csv_link(table, "f.csv", "f").find("%22name,%20of%22,value%0A"), std::string::npos);
}

TEST(Table, NumbersThatRoundToZeroHaveNoSign) {
  EXPECT_EQ(Cell::fixed(-0.00001, 3).text, "0.000");
  EXPECT_EQ(Cell::fixed(-1.25, 2).text, "−1.25");
  EXPECT_EQ(Cell::fixed(NAN, 2).text, "–");
}

TEST(Page, LeavesOutSectionsWithoutContent) {
  Page page{"t",
            "",
            {{"empty", "Empty", "<p>intro</p>", {{"f", "no chart", {Chart{"t", "x", "y", {}}}, "", {}, ""}}},
             {"full", "Full", "", {}, "<p>x</p>"}}};
  page.refresh_seconds = 7;
  const std::string html = to_html(page);
  EXPECT_EQ(html.find("Empty"), std::string::npos);
  EXPECT_NE(html.find("href=\"#full\""), std::string::npos);
  EXPECT_NE(html.find("<meta http-equiv=\"refresh\" content=\"7\">"), std::string::npos);
}

TEST(HeatMap, ShadesFromTheSmallestToTheLargest) {
  const HeatMap map{"t", "x", "y", {"q", "<k>"}, {{1, 3}, {2, NAN}}, 1, " %"};
  const std::string svg = to_svg(map);
  EXPECT_EQ(unbalanced(svg), std::vector<std::string>{});
  EXPECT_NE(svg.find("fill-opacity:1.00\" x=\""), std::string::npos);
  EXPECT_NE(svg.find("q, 1: 3 %"), std::string::npos);
  EXPECT_NE(svg.find("&lt;k&gt;"), std::string::npos);
}

/// Place of the highest point and the top of the plot.
std::pair<double, double> highest_and_top(const Series& series) {
  const auto points = nlohmann::json::parse(hover_points({"t", "x", "y", {series}}));
  double highest = 1e9;
  for (const auto& point : points["series"][0]["points"]) highest = std::min(highest, point[1].get<double>());
  return {highest, points["top"]};
}

TEST(Axis, OnlyASteepBeginningLeavesThePicture) {
  Series peak{"peak", {}, {}}, fall = peak;
  for (int i = 0; i < 80; ++i) {
    peak.x.push_back(i), fall.x.push_back(i);
    peak.y.push_back(i == 40 ? 100 : 1);
    fall.y.push_back(i == 0 ? 100 : 1 + 0.01 * i);
  }
  EXPECT_GT(highest_and_top(peak).first, highest_and_top(peak).second + 5);  // with its margin below the top
  EXPECT_GT(highest_and_top(fall).first, highest_and_top(fall).second);      // not drawn along its upper edge
}

TEST(Axis, LogarithmicTicksAreRoundAndFew) {
  EXPECT_EQ(log_ticks(1, 100), (std::vector<double>{1, 2, 5, 10, 20, 50, 100}));
  EXPECT_EQ(tick_labels(log_ticks(0.57, 2.1)), (std::vector<std::string>{"0.7", "1.0", "1.5", "2.0"}));
  EXPECT_EQ(log_ticks(1e-3, 1e9).size(), 6u);  // every second decade, 0.01 to 10^8
  for (const double high : {2.0, 7.0, 40.0, 1e4, 1e7}) {
    EXPECT_GE(log_ticks(1, high).size(), 2u) << high;
    EXPECT_LE(log_ticks(1, high).size(), 9u) << high;
  }
  EXPECT_EQ(tick_labels({1e6, 2e6}), (std::vector<std::string>{"1M", "2M"}));
  EXPECT_EQ(tick_labels({1.5, 2}), (std::vector<std::string>{"1.5", "2.0"}));
  EXPECT_EQ(tick_labels({-0.5, 0}), (std::vector<std::string>{"−0.5", "0.0"}));
  EXPECT_EQ(tick_labels({0.0003, 0.1, 0.3}), (std::vector<std::string>{"0.0003", "0.1", "0.3"}));
  EXPECT_EQ(short_number(6.94e12), "6.94T");
  EXPECT_EQ(short_number(-9.4352939e150), "−9.4353e+150");
}

/// A finished suite of two families, four sizes and two seeds.
Study example_study(const fs::path& directory) {
  nlohmann::json document = test::study_document();
  for (const double size : {0.5, 1.0, 2.0, 4.0})
    for (const int seed : {1, 2})
      for (const char* family : {"float", "ternary"})
        document["models"].push_back(
            test::study_model(family, fmt::format("{}M", size), seed,
                              1 + 20 / std::pow(size * 1e6, 0.25) + (family[0] == 't' ? 0.1 : 0) + (seed == 1 ? 0.001 : -0.001)));
  write_file(directory / "results.json", document.dump());
  return read_study(directory);
}

TEST(StudyReport, SaysWhatTheNumbersSay) {
  const test::TemporaryDirectory directory;
  ReportInput input{"t", "spectra report d --out f"};
  input.study = example_study(directory.path());
  const std::string html = report_html(input);
  EXPECT_NE(html.find("Finished: 1 of 1 jobs done"), std::string::npos);
  EXPECT_NE(html.find("a difference of +0.100 ± 0.000 (95 % interval over 2 seeds)"), std::string::npos);
  EXPECT_NE(html.find("L = 20·N<sup>−0.250</sup> + 1.000"), std::string::npos) << html.substr(html.find("scaling laws"), 400);
  EXPECT_EQ(html.find("id=\"ablations\""), std::string::npos);
  EXPECT_NE(html.find("a CPU &amp; more"), std::string::npos);
}

}  // namespace
}  // namespace spectra::analysis
