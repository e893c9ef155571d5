// SPDX-License-Identifier: Apache-2.0
#pragma once
// Why a text ended.
#include <cstdint>

namespace spectra::infer {

enum class FinishReason : uint8_t {
  kStop,         ///< a token or string that ends the text
  kLength,       ///< max_tokens, or the end of the context
  kInterrupted,  ///< a signal, or Batcher::cancel()
  kFailed        ///< an exception
};

/// "stop", "length", "interrupted", "failed"
constexpr const char* finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kInterrupted:
      return "interrupted";
    case FinishReason::kFailed:
      return "failed";
  }
  return "?";
}

}  // namespace spectra::infer
