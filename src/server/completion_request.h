// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a request for text asks for, checked: bodies of /v1/completions and /v1/chat/completions.
#include <cstdint>
#include <string>
#include <vector>

#include "infer/sampler.h"
#include "server/fields.h"
#include "server/served_model.h"

namespace spectra::server {

struct Prompt {
  std::vector<int32_t> ids;
  std::string text;  ///< what echo shows
};

struct CompletionRequest {
  bool chat = false;
  std::vector<Prompt> prompts;
  int64_t max_tokens = 16;
  int64_t n = 1, best_of = 1;  ///< texts of a prompt that are returned, and that are made
  bool echo = false;
  int64_t logprobs = -1;       ///< most probable tokens beside each; -1 = no logprobs
  bool ids_as_tokens = false;  ///< tokens of logprobs are shown as "token_id:17"
  bool stream = false, include_usage = false;
  std::vector<std::string> stops;
  std::vector<int32_t> stop_ids;  ///< EOS and BOS unless it is ignored, and the request's own
  infer::Sampling sampling;
  bool seeded = false;

  int64_t choices() const { return static_cast<int64_t>(prompts.size()) * best_of; }
  /// Settings of text `k` of all texts. Each text of a prompt has another seed. Where the request named a seed, equal prompts get
  /// equal texts.
  infer::Sampling sampling_of(int64_t k) const;
};

/// Both throw ApiError (400) naming the field that is wrong. Fields that are not known are ignored, as other servers do; those that
/// would change the answer and are not supported are refused.
CompletionRequest read_completion(const Fields& body, const ServedModel& model);
CompletionRequest read_chat(const Fields& body, const ServedModel& model);

/// Ids of one text. Throws ApiError where the text cannot fit the context; one that is far too long is not encoded first.
std::vector<int32_t> encode(const std::string& text, const ServedModel& model, bool add_bos, const std::string& field);

}  // namespace spectra::server
