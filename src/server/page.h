// SPDX-License-Identifier: Apache-2.0
#pragma once
// The page at /, embedded from src/server/page/ when the program is built.
#include <string_view>

namespace spectra::server {

struct PageFile {
  const char* path;  ///< "/", "/app.js", ...
  const char* type;
  std::string_view text;
};
/// Null where the page has no such file.
const PageFile* page_file(std::string_view path);

}  // namespace spectra::server
