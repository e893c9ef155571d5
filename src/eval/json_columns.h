// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds a task's fields in a JSON object. A path is keys with dots; a digit is an element of a list, [] goes through all of them,
// @keys and @values take an object apart: "question.choices[].text", "mc1_targets.@keys". After | a filter changes the text.
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "eval/task.h"

namespace spectra::eval {

/// Throws Error, beginning with `where`, naming the first path that leads nowhere.
void check_columns(const Columns& columns, const nlohmann::ordered_json& object, const std::string& where);
/// Adds the fields to `record`. `file`: the value of the path "@file". Throws Error with record.where.
void take_columns(const Columns& columns, const nlohmann::ordered_json& object, const std::string& file, Record& record);

}  // namespace spectra::eval
