// SPDX-License-Identifier: Apache-2.0
#pragma once
// Token data of Megatron-LM and GPT-NeoX ("MMapIndexedDataset"): a pair PREFIX.bin, PREFIX.idx, little endian.
//
//   PREFIX.bin   tokens, nothing else
//   PREFIX.idx   byte  0  "MMIDIDX\0\0"
//                byte  9  u64 version, 1
//                byte 17  u8  type of a token: 1 u8, 2 i8, 3 i16, 4 i32, 5 i64, 8 u16 (6, 7: floats, refused)
//                byte 18  u64 N, sequences
//                byte 26  u64 D, entries of the document index
//                byte 34  i32 [N] tokens of each sequence
//                         i64 [N] byte in PREFIX.bin where each begins: where the one before ends
//                         i64 [D] the sequence each document begins with, ascending from 0; the last entry is N and ends the last
//                                 document. Empty documents repeat an entry.
//
// Such a pair holds no tokenizer and one split.
#include <string>
#include <string_view>

#include "format/token_stream.h"

namespace spectra::format {

/// What an index says, checked against its own size.
struct MegatronIndex {
  TokenType type = TokenType::kU16;
  uint64_t sequences = 0, entries = 0;
};
/// Throws Error naming `where`. `bytes`: the whole file. Looks at the header only.
MegatronIndex parse_megatron_index(std::string_view bytes, const std::string& where);

/// PREFIX.idx where `path` is PREFIX, PREFIX.bin or PREFIX.idx and both files exist; else empty.
fs::path megatron_index_path(const fs::path& path);
/// Opens a pair and checks sizes. `verify`: every entry of the index too. Throws Error naming the file.
TokenPart open_megatron(const fs::path& index, bool verify);

}  // namespace spectra::format
