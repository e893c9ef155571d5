// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/inspect.h"
#include "format/token_data.h"
#include "text/tokenizer.h"

namespace spectra::cli {
namespace {

template <class T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json to_json(const format::TokenData& data, bool verify) {
  nlohmann::ordered_json json = {
      {"schema", "spectra.inspect/1"}, {"kind", "data"}, {"path", data.path().string()}, {"format", data.format()}};
  uint64_t tokens = 0;
  std::optional<uint64_t> documents = 0;
  nlohmann::ordered_json splits = nlohmann::ordered_json::object(), sources = nlohmann::ordered_json::array();
  for (const std::string& name : data.split_names()) {
    const format::TokenStream& split = data.split(name);
    const auto here = split.documents();
    tokens += split.size();
    documents = documents && here ? std::optional<uint64_t>(*documents + *here) : std::nullopt;
    splits[name] = {{"tokens", split.size()}, {"documents", or_null(here)}};
  }
  std::optional<int64_t> vocab, eos;
  std::optional<std::string> tokenizer;
  if (data.has_tokenizer()) vocab = data.info().vocab, eos = data.info().eos, tokenizer = data.info().tokenizer_sha256;
  for (const auto& source : data.info().sources) sources.push_back({{"path", source.first}, {"sha256", source.second}});
  json.update({{"tokens", tokens},
               {"documents", or_null(documents)},
               {"splits", splits},
               {"vocab", or_null(vocab)},
               {"eos", or_null(eos)},
               {"tokenizer_sha256", or_null(tokenizer)},
               {"sha256", data.sha256()},
               {"replaced_bytes", data.info().replaced_bytes},
               {"sources", sources},
               {"verified", verify}});
  return json;
}

void print_text(const format::TokenData& data, bool verify) {
  const bool own = std::string_view(data.format()) == "spectra";
  fmt::print("data         {}{}\n", data.path().string(), own ? "" : fmt::format(" ({})", data.format()));
  for (const std::string& name : data.split_names()) {
    const format::TokenStream& split = data.split(name);
    const auto documents = split.documents();
    fmt::print("{:<12} {} tokens in {} documents\n", name, split.size(),
               documents ? fmt::format("{}", *documents) : "an unknown number of");
  }
  if (data.has_tokenizer()) {
    fmt::print("vocabulary   {} entries, end of document {}\n", data.info().vocab, data.info().eos);
    fmt::print("tokenizer    sha256 {}\n", data.info().tokenizer_sha256);
  } else {
    fmt::print("tokenizer    none (--tokenizer)\n");
  }
  fmt::print("{:<12} sha256 {}\n", own ? "data.json" : "files", data.sha256());
  fmt::print("checksums    {}\n", checksum_state(verify, own));
  if (data.info().replaced_bytes != 0) fmt::print("replaced     {} bytes that were not UTF-8\n", data.info().replaced_bytes);
  for (const auto& source : data.info().sources) fmt::print("source       {}  sha256 {}\n", source.first, source.second);
}

}  // namespace

void inspect_data(const InspectOptions& options) {
  format::TokenData data(options.path);
  if (!options.tokenizer.empty() && !data.has_tokenizer()) {
    const text::Tokenizer tokenizer = text::Tokenizer::load(options.tokenizer);
    data.set_tokenizer(tokenizer.sha256(), tokenizer.vocab_size(), tokenizer.eos());
  }
  if (options.verify) {
    data.verify();
    if (data.has_tokenizer()) data.check_tokens();
  }
  if (global().json)
    print_json(to_json(data, options.verify).dump());
  else
    print_text(data, options.verify);
}

}  // namespace spectra::cli
