// SPDX-License-Identifier: Apache-2.0
#include "analysis/comparison.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace spectra::analysis {
namespace {

using nlohmann::json;

double number(const json& object, const char* key) {
  return object.at(key).is_null() ? std::numeric_limits<double>::quiet_NaN() : object.at(key).get<double>();
}

ComparedModel parse_model(const json& model) {
  return {model.at("path").get<std::string>(), number(model, "disk_bytes"), number(model, "bits_per_linear_weight"),
          number(model, "decode_tokens_per_second")};
}

ComparedTest parse_test(const json& test) {
  ComparedTest out;
  test.at("task").get_to(out.task);
  test.at("metric").get_to(out.metric);
  test.at("compared").get_to(out.compared);
  out.documents = number(test, "n");
  out.a = number(test, "a"), out.b = number(test, "b");
  out.difference = number(test, "difference"), out.low = number(test, "low"), out.high = number(test, "high");
  out.p = test.at("mcnemar").is_null() ? number(test, "bootstrap_p") : number(test.at("mcnemar"), "mid_p");
  out.holm_p = number(test, "holm_p");
  return out;
}

}  // namespace

Comparison read_comparison(const fs::path& path) {
  try {
    const json document = json::parse(read_file(path));
    if (document.at("schema") != "spectra.compare/1") throw std::runtime_error("schema " + document.at("schema").dump());
    Comparison comparison{
        parse_model(document.at("a")), parse_model(document.at("b")), document.at("activations").get<std::string>(), {}, {}};
    for (const json& test : document.at("tests")) comparison.tests.push_back(parse_test(test));
    if (const json& text = document.at("text"); !text.is_null())
      comparison.text = {number(text, "tokens"),         number(text, "kl"),           number(text, "kl_stderr"),
                         number(text, "top1_agreement"), number(text, "perplexity_a"), number(text, "perplexity_b")};
    return comparison;
  } catch (const std::exception& error) {
    throw bad_input(fmt::format("{} is not the output of `spectra compare --json`: {}", path.string(), error.what()));
  }
}

}  // namespace spectra::analysis
