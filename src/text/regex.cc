// SPDX-License-Identifier: Apache-2.0
#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"

namespace spectra::text {
namespace {

std::string pcre2_message(int code) {
  PCRE2_UCHAR buffer[256] = {};
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

struct MatchDataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

}  // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

Regex::Regex(const std::string& pattern, bool literal, const std::string& where) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  const uint32_t options = literal ? PCRE2_LITERAL | PCRE2_UTF : PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
  auto code = std::make_shared<Code>();
  code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &error, &offset, nullptr);
  if (code->code == nullptr)
    throw bad_input(
        fmt::format("{}: the pattern {} does not compile at offset {}: {}", where, pattern, offset, pcre2_message(error)));
  pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE);  // without a JIT the matcher interprets
  code_ = std::move(code);
}

void Regex::for_each(std::string_view text, const std::function<void(size_t, size_t)>& found) const {
  const std::unique_ptr<pcre2_match_data, MatchDataDeleter> data(pcre2_match_data_create_from_pattern(code_->code, nullptr));
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  size_t at = 0;
  uint32_t options = PCRE2_NO_UTF_CHECK;
  while (at < text.size()) {
    int result = pcre2_match(code_->code, subject, text.size(), at, options | PCRE2_NOTEMPTY, data.get(), nullptr);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
      options |= PCRE2_NO_JIT;
      continue;
    }
    if (result == PCRE2_ERROR_NOMATCH) return;
    if (result < 0)
      throw bad_input(fmt::format("the tokenizer's pattern failed at byte {} of a text: {}", at, pcre2_message(result)));
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
    if (bounds[0] < at || bounds[1] <= bounds[0]) throw bad_input("the tokenizer's pattern moves the start of its match (\\K)");
    found(bounds[0], bounds[1]);
    at = bounds[1];
  }
}

}  // namespace spectra::text
