// SPDX-License-Identifier: Apache-2.0
#pragma once
// Errors as OpenAI's clients read them.
#include <stdexcept>
#include <string>
#include <utility>

namespace spectra::server {

struct ApiError : std::runtime_error {
  ApiError(int http_status, const std::string& message, std::string field = "", std::string error_code = "")
      : std::runtime_error(message), status(http_status), param(std::move(field)), code(std::move(error_code)) {}

  int status;         ///< HTTP status of the answer
  std::string param;  ///< the field at fault; "" = none
  std::string code;   ///< name of the error for programs; "" = none
};

/// {"error": {"message", "type", "param", "code"}}
std::string error_json(const ApiError& error);

}  // namespace spectra::server
