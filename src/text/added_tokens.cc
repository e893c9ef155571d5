// SPDX-License-Identifier: Apache-2.0
#include "text/added_tokens.h"

#include "text/unicode.h"

namespace spectra::text {
namespace {

/// Where the character before `at` begins.
size_t previous_start(std::string_view text, size_t at) {
  do --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

bool word_before(std::string_view text, size_t at) {
  if (at == 0) return false;
  size_t start = previous_start(text, at);
  return is_word_character(next_code_point(text, start));
}

bool word_after(std::string_view text, size_t at) { return at < text.size() && is_word_character(next_code_point(text, at)); }

size_t spaces_before(std::string_view text, size_t at, size_t limit) {
  while (at > limit) {
    const size_t start = previous_start(text, at);
    size_t next = start;
    if (char_class(next_code_point(text, next)) != CharClass::kSpace) break;
    at = start;
  }
  return at;
}

size_t spaces_after(std::string_view text, size_t at) {
  while (at < text.size()) {
    size_t next = at;
    if (char_class(next_code_point(text, next)) != CharClass::kSpace) break;
    at = next;
  }
  return at;
}

}  // namespace

uint32_t AddedTokenMatcher::child(uint32_t node, char byte) const {
  for (const auto& [edge, target] : nodes_[node].children)
    if (edge == byte) return target;
  return 0;
}

void AddedTokenMatcher::add(const AddedToken& token) {
  if (token.content.empty()) return;
  uint32_t node = 0;
  for (const char byte : token.content) {
    uint32_t next = child(node, byte);
    if (next == 0) {
      next = static_cast<uint32_t>(nodes_.size());
      nodes_[node].children.emplace_back(byte, next);
      nodes_.emplace_back();
    }
    node = next;
  }
  nodes_[node].token = static_cast<int32_t>(tokens_.size());
  first_[static_cast<unsigned char>(token.content[0])] = child(0, token.content[0]);
  tokens_.push_back(token);
}

int32_t AddedTokenMatcher::longest_at(std::string_view text, size_t at) const {
  int32_t found = -1;
  uint32_t node = first_[static_cast<unsigned char>(text[at])];
  while (node != 0) {
    if (nodes_[node].token >= 0) found = nodes_[node].token;
    node = ++at < text.size() ? child(node, text[at]) : 0;
  }
  return found;
}

void AddedTokenMatcher::split(std::string_view text, bool allow_special, const std::function<void(uint32_t)>& on_token,
                              const std::function<void(std::string_view)>& on_text) const {
  size_t done = 0;  // text before this has been handed over
  for (size_t at = 0; at < text.size() && !tokens_.empty();) {
    const int32_t found = longest_at(text, at);
    if (found < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(found)];
    size_t begin = at, end = at + token.content.size();
    at = end;
    if (token.special && !allow_special) continue;
    if (token.single_word && (word_before(text, begin) || word_after(text, end))) continue;
    if (token.lstrip) begin = spaces_before(text, begin, done);
    if (token.rstrip) at = end = spaces_after(text, end);
    if (begin > done) on_text(text.substr(done, begin - done));
    on_token(token.id);
    done = end;
  }
  if (done < text.size()) on_text(text.substr(done));
}

}  // namespace spectra::text
