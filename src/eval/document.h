// SPDX-License-Identifier: Apache-2.0
#pragma once
// A document as the model is asked about it, and what the model said.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "eval/record.h"

namespace spectra::eval {

/// How probable `continuation` is after `context`. Rolling: the whole text, without context. Generate: the text to come after
/// `context`.
struct Request {
  std::string context, continuation;
};

struct Document {
  std::string where;   ///< "FILE:LINE"
  int64_t number = 0;  ///< in the order of the task, from 0
  std::string subset;  ///< "" where the task has none
  std::vector<Request> requests;
  Texts choices;                       ///< their texts, without the delimiter
  int64_t gold = -1;                   ///< the right choice; -1 where none is
  int64_t true_choices = 0;            ///< mc2: the first so many are true
  Texts answers;                       ///< generate: any is right
  int64_t words = 0, bytes = 0;        ///< rolling: of the original text
  std::map<std::string, Texts> notes;  ///< a metric's own
};

/// Of all its requests' texts: what a document costs.
inline uint64_t request_bytes(const Document& document) {
  uint64_t bytes = 0;
  for (const Request& request : document.requests) bytes += request.context.size() + request.continuation.size();
  return bytes;
}

struct Answer {
  std::vector<double> logprobs;  ///< of each request, natural
  std::vector<uint8_t> greedy;   ///< of each: every token was the most probable one
  std::string text;              ///< generate
};

}  // namespace spectra::eval
