// SPDX-License-Identifier: Apache-2.0
#pragma once
// Values of config.json with their checks: a key is absent where it is null.
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/error.h"

namespace spectra::model {

class ConfigReader {
 public:
  /// `where`: the file, for messages; `prefix`: before the keys there ("rope_scaling."). All must outlive the object.
  ConfigReader(const nlohmann::json& document, const std::string& where, std::string prefix = "");

  const nlohmann::json* find(const char* key) const;
  /// Throws Error outside of [low, high].
  int64_t integer(const char* key, int64_t absent, int64_t low, int64_t high) const;
  /// Throws Error where it is missing, or not in 1 to 2^28.
  int64_t dimension(const char* key) const;
  /// Throws Error unless above 0.
  double positive(const char* key, double absent) const;
  bool boolean(const char* key, bool absent) const;
  /// "" where it is absent.
  std::string text(const char* key) const;
  /// The key must be absent or equal to `wanted`: anything else would compute something different.
  void require(const char* key, const nlohmann::json& wanted) const;
  Error refuse(const char* key, const nlohmann::json& value, const std::string& hint) const;
  const std::string& where() const { return where_; }

 private:
  const nlohmann::json& document_;
  const std::string& where_;
  const std::string prefix_;
};

}  // namespace spectra::model
