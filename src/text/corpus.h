// SPDX-License-Identifier: Apache-2.0
#pragma once
// Training documents from files, one after the other. Plain or compressed (.gz, .zst, .bz2), read as a stream:
//   .jsonl, .ndjson                           a document is the string `text` of one line's object; empty lines are skipped
//   .txt, .text, .raw, .md, or no extension   documents are separated by two or more empty lines; a file without any is one
//                                             document. A document of more than 64 MB is cut at the next end of a line.
// Line breaks around a document are not part of it, and a document of white space alone is none.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"

namespace spectra::text {

/// A document that has been read but not decoded yet: decoding is work for other threads.
struct PendingDocument {
  size_t bytes = 0;  ///< about as long as the text
  /// The text as valid UTF-8, empty where there is no document. Invalid bytes become U+FFFD and are added to `replaced`. Throws
  /// Error naming file and line where the document is damaged.
  std::function<std::string(uint64_t& replaced)> text;
};

class DocumentSource {
 public:
  virtual ~DocumentSource() = default;
  /// False at the end.
  virtual bool next(PendingDocument& document) = 0;
  /// Progress in any unit (bytes of the files): `done` of `total`.
  virtual uint64_t done() const = 0;
  virtual uint64_t total() const = 0;
};

/// The documents of `files` in order. Throws Error at once when a file is not there or of an unknown kind.
std::unique_ptr<DocumentSource> open_corpus(const std::vector<fs::path>& files);
/// Stories 0 to count - 1 of the made-up world (stories.h).
std::unique_ptr<DocumentSource> open_stories(uint64_t seed, uint64_t count, bool held_out);

}  // namespace spectra::text
