// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "cli/command.h"
#include "text/decompress.h"
#include "text/tokenizer.h"

namespace spectra::cli {
namespace {

struct TokenizeOptions {
  std::string tokenizer, text;
  bool decode = false, no_special = false;
};

std::string read_input(const std::string& path) {
  if (!path.empty()) return text::read_decompressed(path, size_t{1} << 36);
  return {std::istreambuf_iterator<char>(std::cin), {}};
}

std::vector<uint32_t> ids_of_json(const std::string& input, const std::string& where) {
  try {
    const auto json = nlohmann::json::parse(input);
    std::vector<uint32_t> ids;
    for (const auto& id : json.is_object() ? json.at("ids") : json) {
      if (!id.is_number_unsigned() || id.get<uint64_t>() > UINT32_MAX)
        throw bad_input(fmt::format("{}: {} is not a token id", where, id.dump()));
      ids.push_back(id.get<uint32_t>());
    }
    return ids;
  } catch (const nlohmann::json::exception& error) {
    throw bad_input(fmt::format("{} holds no list of ids: {}", where, error.what()), "[1, 2, 3] or {\"ids\": [1, 2, 3]}");
  }
}

/// Reads numbers separated by white space or commas, a JSON list, or what `tokenize --json` prints.
std::vector<uint32_t> read_ids(const std::string& input, const std::string& where) {
  const size_t start = input.find_first_not_of(" \t\r\n");
  if (start != std::string::npos && (input[start] == '[' || input[start] == '{')) return ids_of_json(input, where);
  std::vector<uint32_t> ids;
  const char* at = input.data();
  const char* const end = at + input.size();
  while (at < end) {
    if (std::isspace(static_cast<unsigned char>(*at)) || *at == ',') {
      ++at;
      continue;
    }
    uint32_t id = 0;
    const auto result = std::from_chars(at, end, id);
    if (result.ec != std::errc())
      throw bad_input(fmt::format("{}: \"{}\" at byte {} is not a token id", where, *at, at - input.data()),
                      "whole numbers from 0, separated by white space, or a JSON list");
    ids.push_back(id);
    at = result.ptr;
  }
  return ids;
}

void print_ids(const std::vector<uint32_t>& ids) {
  fmt::memory_buffer line;
  for (const uint32_t id : ids)
    fmt::format_to(std::back_inserter(line), "{}{}", line.size() == 0 ? "" : global().json ? "," : " ", id);
  if (global().json) return print_json("{\"schema\":\"spectra.tokenize/1\",\"ids\":[" + fmt::to_string(line) + "]}");
  line.push_back('\n');
  std::fwrite(line.data(), 1, line.size(), stdout);
}

void run_tokenize(const TokenizeOptions& options) {
  const text::Tokenizer tokenizer = text::Tokenizer::load(options.tokenizer);
  const std::string where = options.text.empty() ? "standard input" : options.text;
  const std::string input = read_input(options.text);
  if (!options.decode) {
    uint64_t replaced = 0;
    const std::vector<uint32_t> ids = tokenizer.encode(input, !options.no_special, &replaced);
    if (replaced > 0) log_warning("{}: {} bytes of invalid UTF-8 were replaced by U+FFFD", where, replaced);
    return print_ids(ids);
  }
  const std::string text = tokenizer.decode(read_ids(input, where), !options.no_special);
  if (global().json)
    return print_json(nlohmann::ordered_json{{"schema", "spectra.tokenize/1"}, {"text", text::sanitize_utf8(text)}}.dump());
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace

Command make_tokenize() {
  const auto a = std::make_shared<TokenizeOptions>();
  return {.name = "tokenize",
          .summary = "print the token ids of a text, or the text of ids",
          .options = {{.name = "--tokenizer",
                       .help = "a tokenizer.json, or a directory with one: a model, token data",
                       .target = &a->tokenizer,
                       .required = true},
                      {.name = "--text",
                       .help = "the file to read (plain or compressed), otherwise standard input",
                       .target = &a->text},
                      {.name = "--decode", .help = "read ids, print their text", .target = &a->decode},
                      {.name = "--no-special",
                       .help = "special tokens such as <|endoftext|>: encode as ordinary text, leave out in decoding",
                       .target = &a->no_special}},
          .run = [a] { run_tokenize(*a); },
          .examples = {"echo 'Hello world' | spectra tokenize --tokenizer data/",
                       "echo '12092 1533' | spectra tokenize --tokenizer data/ --decode"}};
}

}  // namespace spectra::cli
