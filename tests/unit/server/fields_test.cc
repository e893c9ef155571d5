// SPDX-License-Identifier: Apache-2.0
#include "server/fields.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/api_error.h"

namespace spectra::server {
namespace {

/// The field that the error names.
template <class Read>
std::string refused(const std::string& body, Read read) {
  try {
    read(Fields::parse(body));
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, 400);
    return error.param;
  }
  return "nothing";
}

TEST(Fields, AbsentAndNullHaveTheDefault) {
  const Fields f = Fields::parse(R"({"a": null})");
  EXPECT_EQ(f.integer("a", 7, 0, 9), 7);
  EXPECT_EQ(f.number("b", 0.5, 0, 1), 0.5);
  EXPECT_TRUE(f.boolean("a", true));
  EXPECT_EQ(f.text("b", "x"), "x");
  EXPECT_TRUE(f.ids("a").empty());
  EXPECT_FALSE(f.object("a").has("c"));
  f.refuse("a", "never");
}

TEST(Fields, Integers) {
  const auto read = [](const Fields& f) { f.integer("a", 0, -5, 1000); };
  for (const char* good : {"-5", "1000", "3.0", "1e2"})
    EXPECT_EQ(refused(fmt::format(R"({{"a": {}}})", good), read), "nothing") << good;
  for (const char* bad : {"-6", "1001", "3.5", "1e300", "\"3\"", "true", "[3]", "99999999999999999999"})
    EXPECT_EQ(refused(fmt::format(R"({{"a": {}}})", bad), read), "a") << bad;
  const auto any = [](const Fields& f) { f.integer("a", 0, INT64_MIN, INT64_MAX); };
  for (const char* bad : {"9223372036854775808", "18446744073709551615", "9223372036854775808.0", "-9223372036854777856.0"})
    EXPECT_EQ(refused(fmt::format(R"({{"a": {}}})", bad), any), "a") << bad;
  const Fields large = Fields::parse(R"({"a": 9223372036854775807})");
  EXPECT_EQ(large.integer("a", 0, INT64_MIN, INT64_MAX), INT64_MAX);
}

TEST(Fields, OtherTypes) {
  EXPECT_EQ(refused(R"({"a": 2})", [](const Fields& f) { f.number("a", 0, 0, 1); }), "a");
  EXPECT_EQ(refused(R"({"a": "1"})", [](const Fields& f) { f.number("a", 0, 0, 1); }), "a");
  EXPECT_EQ(refused(R"({"a": 1})", [](const Fields& f) { f.boolean("a", false); }), "a");
  EXPECT_EQ(refused(R"({"a": 1})", [](const Fields& f) { f.text("a", ""); }), "a");
  EXPECT_EQ(refused(R"({"a": {"b": 1}})", [](const Fields& f) { f.object("a").text("b", ""); }), "a.b");
  EXPECT_EQ(refused(R"({"a": [1, -1]})", [](const Fields& f) { f.ids("a"); }), "a");
  EXPECT_EQ(refused(R"({"a": [4294967296]})", [](const Fields& f) { f.ids("a"); }), "a");
  EXPECT_EQ(refused(R"({"a": "x"})", [](const Fields& f) { f.refuse("a", "no"); }), "a");
  for (const char* nothing : {"false", "0", "\"\"", "[]", "{}"})
    EXPECT_EQ(refused(fmt::format(R"({{"a": {}}})", nothing), [](const Fields& f) { f.refuse("a", "no"); }), "nothing");
}

TEST(Fields, BodiesThatAreNone) {
  for (const std::string body : {"", "[]", "{", "{\"a\":1,\"a\":2}", "{\"a\":\"\xff\"}"})
    EXPECT_THROW(Fields::parse(body), ApiError) << body;
  EXPECT_THROW(Fields::parse("{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}"), ApiError);
}

}  // namespace
}  // namespace spectra::server
