// SPDX-License-Identifier: Apache-2.0
#pragma once
// Token data of llm.c: shards of GPT-2 tokens, little endian.
//
//   byte    0  i32 20240520
//   byte    4  i32 version, 1
//   byte    8  i32 N, tokens
//   byte   12  zeros
//   byte 1024  u16 [N] tokens; <|endoftext|> begins each document
//
// A data set is one shard, or a directory of shards (*.bin) in the order of their names; a name with "_val" belongs to the
// validation split. No tokenizer and no document index.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/token_stream.h"

namespace spectra::format {

/// Tokens of a shard. `bytes`: the whole file. Throws Error naming `where`.
uint64_t parse_llmc_header(std::string_view bytes, const std::string& where);

/// Whether `path` looks like one: a *.bin file, or a directory with such files, the first of which has the magic number.
bool is_llmc(const fs::path& path);
/// (split, shard) for "train" and "valid", in stream order. Throws Error naming the file.
std::vector<std::pair<std::string, TokenPart>> open_llmc(const fs::path& path);

}  // namespace spectra::format
