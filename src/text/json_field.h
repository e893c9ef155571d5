// SPDX-License-Identifier: Apache-2.0
#pragma once
// A value in a JSON document together with the way to it, so that a wrong type or a missing key is an Error that says where.
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace spectra::text {

class JsonField {
 public:
  /// `path`: the file and how `value` is reached, for messages. `value` must outlive the field.
  JsonField(const nlohmann::json& value, std::string path) : value_(&value), path_(std::move(path)) {}
  /// True for an object whose `key` is neither absent nor null.
  bool has(const char* key) const;
  JsonField operator[](const char* key) const;
  bool is_string() const;
  bool is_array() const;
  std::string text() const;
  int64_t integer() const;
  bool flag(const char* key, bool otherwise) const;
  JsonField item(size_t i) const;  ///< of a list that has it
  std::vector<JsonField> items() const;
  const nlohmann::json& json() const { return *value_; }
  const std::string& path() const { return path_; }
  /// Throws Error: "PATH: expected X, found Y".
  [[noreturn]] void fail(const std::string& expected) const;

 private:
  const nlohmann::json* value_;
  std::string path_;
};

}  // namespace spectra::text
