// SPDX-License-Identifier: Apache-2.0
#pragma once
// Data files that are plain text.
#include <string>
#include <string_view>
#include <vector>

#include "eval/record.h"

namespace spectra::eval {

/// `text`, the beginning of a file, looks like the layout.
bool fits_layout(const std::string& layout, std::string_view text);

/// logiqa: fields label, context, question, options. hellaswag-lines: query, label, endings. pages: page. whole: text.
/// Throws Error naming file and line where a record is broken.
std::vector<Record> read_layout(const std::string& layout, const std::string& file, const std::string& text);

/// Records whose field `page` is a line or a piece of one text: joined, and cut into pages.
std::vector<Record> join_pages(const std::string& file, const std::vector<Record>& records);

}  // namespace spectra::eval
