// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <fstream>
#include <vector>

#include "base/error.h"
#include "format/megatron.h"

/// A stranger's pair: the first two bytes say how many tokens the .bin has, the rest is the .idx. Reading it anywhere is an Error
/// or gives ascending documents inside of the tokens.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string directory = [] {
    std::string name = "/tmp/fuzz-megatron-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    return name;
  }();
  if (size < 2) return 0;
  const std::string tokens(data[0] + 256u * (data[1] % 4), '\1');
  std::ofstream(directory + "/d.bin", std::ios::binary) << tokens;
  std::ofstream(directory + "/d.idx", std::ios::binary).write(reinterpret_cast<const char*>(data + 2), static_cast<long>(size - 2));
  for (const bool verify : {false, true}) {
    try {
      spectra::format::TokenStream stream;
      stream.append(spectra::format::open_megatron(directory + "/d.idx", verify));
      stream.set_tokens(0x101010101, 0);
      std::vector<int32_t> ids(stream.size());
      stream.read(0, ids.size(), ids.data());
      stream.document_number(ids.size() / 2);
      uint64_t last = 0;
      for (const uint64_t start : stream.document_starts()) {
        if (start >= stream.size() || start < last) std::abort();
        last = start;
      }
    } catch (const spectra::Error&) {
    }
  }
  return 0;
}
