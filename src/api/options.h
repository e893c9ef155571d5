// SPDX-License-Identifier: Apache-2.0
#pragma once
// Option structs of callers that may have been compiled with an older or a newer header. A struct begins with its size; fields are
// only ever added at the end.
#include <spectra/spectra.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/error.h"

namespace spectra::api {

template <class Options>
Options defaults();

/// Writes what fits of the defaults into the caller's struct of `size` bytes; fields that this library does not know become 0.
template <class Options>
void initialize(Options* options, size_t size) {
  if (options == nullptr) return;
  const Options values = defaults<Options>();
  std::memset(static_cast<void*>(options), 0, size);
  std::memcpy(static_cast<void*>(options), &values, std::min(size, sizeof(Options)));
  std::memcpy(static_cast<void*>(options), &size, std::min(size, sizeof(size)));
}

/// The caller's options; fields that an older caller lacks have their defaults. Throws Error (usage) for a struct that was not
/// initialized, or one of a newer header with a field set that this library does not know.
template <class Options>
Options read(const Options* given, const char* name) {
  Options options = defaults<Options>();
  if (given == nullptr) return options;
  constexpr size_t kNoStructIsLarger = 4096;
  const size_t size = given->size;
  if (size < sizeof(size) || size > kNoStructIsLarger)
    throw Error(Exit::kUsage, fmt::format("{}: size is {}", name, size), fmt::format("call {}_init() first", name));
  const auto* bytes = reinterpret_cast<const char*>(given);
  if (size > sizeof(Options) && std::any_of(bytes + sizeof(Options), bytes + size, [](char byte) { return byte != 0; }))
    throw Error(Exit::kUsage, fmt::format("{}: a field is set that this libspectra does not know", name),
                "the program was compiled for a newer libspectra: install that");
  std::memcpy(&options, bytes, std::min(size, sizeof(Options)));
  options.size = sizeof(Options);
  return options;
}

}  // namespace spectra::api
