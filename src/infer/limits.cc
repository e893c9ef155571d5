// SPDX-License-Identifier: Apache-2.0
#include "infer/limits.h"

#include <algorithm>

#include "base/error.h"

namespace spectra::infer {

int64_t positions_needed(const Engine& engine, int64_t prompt_tokens, int64_t max_tokens) {
  const int64_t room = engine.context() - prompt_tokens, pages = engine.kv().pages();
  if (room < 0)
    throw bad_input(fmt::format("the prompt has {} tokens and the model's context {}", prompt_tokens, engine.context()),
                    "shorten the prompt");
  // The last token that is generated needs no place: nothing comes after it.
  const int64_t generated = std::clamp<int64_t>(max_tokens - 1, 0, room), positions = prompt_tokens + generated;
  if (kv_pages(positions) > pages)
    throw Error(Exit::kRefused,
                fmt::format("{} tokens of prompt and {} to generate need {} pages of keys and values of {} bytes, and there are {}",
                            prompt_tokens, generated + 1, kv_pages(positions), engine.kv_page_bytes(), pages),
                "ask for fewer tokens, or give more memory (--kv-memory)");
  return positions;
}

}  // namespace spectra::infer
