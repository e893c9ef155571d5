// SPDX-License-Identifier: Apache-2.0
#pragma once
// Typed reading of a request's JSON object. A field that is absent or null has its default; one of another type or out of range
// throws ApiError (400) that names it.
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace spectra::server {

using Json = nlohmann::ordered_json;

/// JSON on one line. Bytes that are no UTF-8 become U+FFFD.
std::string json_text(const Json& json);

class Fields {
 public:
  /// The fields of a body. Throws ApiError (400) where it is no JSON object, or one nested deeper than 16 levels.
  static Fields parse(std::string_view body);
  /// The fields of an object inside; `prefix`: its name and a dot.
  Fields(nlohmann::json object, std::string prefix = "");

  bool has(const char* name) const { return find(name) != nullptr; }
  /// Null where the field is absent.
  const nlohmann::json* find(const char* name) const;

  int64_t integer(const char* name, int64_t otherwise, int64_t least, int64_t most) const;
  double number(const char* name, double otherwise, double least, double most) const;
  bool boolean(const char* name, bool otherwise) const;
  std::string text(const char* name, const std::string& otherwise) const;
  /// An array of integers; empty where absent.
  std::vector<int32_t> ids(const char* name) const;
  Fields object(const char* name) const;  ///< empty where absent
  /// Throws unless the field is absent, null, or what changes nothing: false, 0, "", [], {}.
  void refuse(const char* name, const char* why) const;

  [[noreturn]] void fail(const char* name, const std::string& what) const;

 private:
  std::shared_ptr<const nlohmann::json> object_;
  std::string prefix_;
};

/// Ids from an array; errors call it `name`.
std::vector<int32_t> read_ids(const nlohmann::json& array, const std::string& name);

}  // namespace spectra::server
