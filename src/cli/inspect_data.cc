// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/inspect.h"
#include "format/token_data.h"

namespace spectra::cli {
namespace {

nlohmann::ordered_json to_json(const format::TokenData& data, bool verify) {
  nlohmann::ordered_json json = {{"schema", "spectra.inspect/1"}, {"kind", "data"}, {"path", data.path().string()}};
  uint64_t tokens = 0, documents = 0;
  nlohmann::ordered_json splits = nlohmann::ordered_json::object(), sources = nlohmann::ordered_json::array();
  for (const std::string& name : data.split_names()) {
    const format::TokenStream& split = data.split(name);
    tokens += split.size();
    documents += split.documents();
    splits[name] = {{"tokens", split.size()}, {"documents", split.documents()}};
  }
  for (const auto& source : data.info().sources) sources.push_back({{"path", source.first}, {"sha256", source.second}});
  json.update({{"tokens", tokens},
               {"documents", documents},
               {"splits", splits},
               {"vocab", data.info().vocab},
               {"eos", data.info().eos},
               {"tokenizer_sha256", data.info().tokenizer_sha256},
               {"sha256", data.sha256()},
               {"replaced_bytes", data.info().replaced_bytes},
               {"sources", sources},
               {"verified", verify}});
  return json;
}

void print_text(const format::TokenData& data, bool verify) {
  fmt::print("data         {}\n", data.path().string());
  for (const std::string& name : data.split_names()) {
    const format::TokenStream& split = data.split(name);
    fmt::print("{:<12} {} tokens in {} documents\n", name, split.size(), split.documents());
  }
  fmt::print("vocabulary   {} entries, end of document {}\n", data.info().vocab, data.info().eos);
  fmt::print("tokenizer    sha256 {}\n", data.info().tokenizer_sha256);
  fmt::print("data.json    sha256 {}\n", data.sha256());
  fmt::print("checksums    {}\n", checksum_state(verify, true));
  if (data.info().replaced_bytes != 0) fmt::print("replaced     {} bytes that were not UTF-8\n", data.info().replaced_bytes);
  for (const auto& source : data.info().sources) fmt::print("source       {}  sha256 {}\n", source.first, source.second);
}

}  // namespace

void inspect_data(const fs::path& path, bool verify) {
  const format::TokenData data(path, verify);
  if (verify) data.check_tokens();
  if (global().json)
    print_json(to_json(data, verify).dump());
  else
    print_text(data, verify);
}

}  // namespace spectra::cli
