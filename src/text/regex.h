// SPDX-License-Identifier: Apache-2.0
#pragma once
// PCRE2 patterns over UTF-8 with Unicode classes. (\s also matches U+180E, which is not white space since Unicode 6.3.)
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace spectra::text {

class Regex {
 public:
  /// `literal`: no character of `pattern` is special. Throws Error, beginning with `where`, when it does not compile.
  Regex(const std::string& pattern, bool literal, const std::string& where);
  /// Calls found(begin, end) for every match in turn; empty matches are passed over. `text` must be valid UTF-8. Throws Error when
  /// the pattern backtracks without end.
  void for_each(std::string_view text, const std::function<void(size_t, size_t)>& found) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace spectra::text
