// SPDX-License-Identifier: Apache-2.0
#include "server/api_error.h"

#include <nlohmann/json.hpp>

#include "server/fields.h"

namespace spectra::server {
namespace {

const char* type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "unavailable_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

}  // namespace

std::string error_json(const ApiError& error) {
  const auto or_null = [](const std::string& s) { return s.empty() ? Json() : Json(s); };
  const Json json = {{"error",
                      {{"message", error.what()},
                       {"type", type_of(error.status)},
                       {"param", or_null(error.param)},
                       {"code", or_null(error.code)}}}};
  return json_text(json);
}

}  // namespace spectra::server
