// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory for packed codes that are made when a model is opened.
#include <cstdint>
#include <memory>
#include <string>

namespace spectra::infer {

/// In large pages where there are any: small ones halve the bandwidth. Throws Error (exit 5) where `bytes` cannot be had, saying
/// what for and `hint`.
std::shared_ptr<uint8_t> allocate_codes(int64_t bytes, const std::string& what, const std::string& hint);

}  // namespace spectra::infer
