// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether a request can run at all.
#include <cstdint>

#include "infer/engine.h"

namespace spectra::infer {

/// Positions that a prompt and `max_tokens` tokens after it come to fill, the context at most. Throws Error with the numbers where
/// the prompt is longer than the context (exit 3), or all the engine's pages could not hold them (exit 5). May be called by any
/// thread.
int64_t positions_needed(const Engine& engine, int64_t prompt_tokens, int64_t max_tokens);

}  // namespace spectra::infer
