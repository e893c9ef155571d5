// SPDX-License-Identifier: Apache-2.0
#pragma once
// One document of a data file, reduced to the fields that its task knows. Numbers and booleans become text ("3", "true").
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace spectra::eval {

using Texts = std::vector<std::string>;
using Value = std::variant<std::string, Texts>;

struct Record {
  std::map<std::string, Value> fields;
  std::string where;  ///< "FILE:LINE", for messages
};

}  // namespace spectra::eval
