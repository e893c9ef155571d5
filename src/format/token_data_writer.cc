// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "format/hashed_file.h"
#include "format/token_data.h"

namespace spectra::format {

struct TokenDataWriter::State {
  /// The file of a split that is being filled, or a finished one (then `tokens` and `starts` are closed).
  struct Part {
    std::string split, name, documents_name;
    std::optional<HashedFile> tokens, starts;
    uint64_t token_count = 0, document_count = 0;
    std::string sha256, documents_sha256;

    void close() {
      if (!tokens) return;
      sha256 = tokens->close();
      documents_sha256 = starts->close();
      tokens.reset();
      starts.reset();
    }
  };

  AtomicDirectory directory;
  int64_t vocab;
  int token_bytes;
  uint64_t tokens_per_file;
  std::vector<std::unique_ptr<Part>> parts;  ///< in the order they were begun
  std::vector<char> encoded;

  State(const fs::path& out, int64_t vocab_size, uint64_t per_file)
      : directory(out), vocab(vocab_size), token_bytes(vocab_size <= 65536 ? 2 : 4), tokens_per_file(per_file) {}

  /// The part of `split` that takes the next token.
  Part& open_part(const std::string& split) {
    Part* last = nullptr;
    for (const auto& part : parts)
      if (part->split == split) last = part.get();
    if (last != nullptr && last->token_count < tokens_per_file) return *last;
    if (last != nullptr) last->close();
    auto part = std::make_unique<Part>();
    part->split = split;
    part->name = fmt::format("tokens-{:05}.bin", parts.size());
    part->documents_name = fmt::format("documents-{:05}.bin", parts.size());
    part->tokens.emplace(directory.path() / part->name);
    part->starts.emplace(directory.path() / part->documents_name);
    parts.push_back(std::move(part));
    return *parts.back();
  }

  void write_tokens(Part& part, const uint32_t* ids, uint64_t count) {
    const auto width = static_cast<size_t>(token_bytes);
    encoded.resize(count * width);
    for (uint64_t i = 0; i < count; ++i) std::memcpy(encoded.data() + i * width, &ids[i], width);  // little endian
    part.tokens->write(encoded.data(), encoded.size());
    part.token_count += count;
  }
};

TokenDataWriter::TokenDataWriter(const fs::path& out, int64_t vocab, uint64_t tokens_per_file)
    : state_(std::make_shared<State>(out, vocab, tokens_per_file)) {
  SPECTRA_CHECK(vocab > 0 && tokens_per_file > 0, "vocab={} tokens_per_file={}", vocab, tokens_per_file);
}

const fs::path& TokenDataWriter::path() const { return state_->directory.path(); }

void TokenDataWriter::append(const std::string& split, const std::vector<uint32_t>& document) {
  SPECTRA_CHECK(!document.empty() && !split.empty());
  for (const uint32_t id : document) SPECTRA_CHECK(id < state_->vocab, "id={} vocab={}", id, state_->vocab);
  uint64_t done = 0;
  while (done < document.size()) {
    State::Part& part = state_->open_part(split);
    if (done == 0) {
      part.starts->write(&part.token_count, sizeof part.token_count);
      ++part.document_count;
    }
    const uint64_t count = std::min<uint64_t>(document.size() - done, state_->tokens_per_file - part.token_count);
    state_->write_tokens(part, document.data() + done, count);
    done += count;
  }
}

void TokenDataWriter::finish(const TokenDataInfo& info) {
  nlohmann::ordered_json document;
  document["schema"] = "spectra.data/1";
  document["tokenizer_sha256"] = info.tokenizer_sha256;
  document["vocab"] = info.vocab;
  document["eos"] = info.eos;
  document["token_bytes"] = state_->token_bytes;
  document["replaced_bytes"] = info.replaced_bytes;
  document["sources"] = nlohmann::ordered_json::array();
  for (const auto& source : info.sources) document["sources"].push_back({{"path", source.first}, {"sha256", source.second}});
  document["files"] = nlohmann::ordered_json::array();
  for (const auto& part : state_->parts) {
    part->close();
    document["files"].push_back({{"name", part->name},
                                 {"split", part->split},
                                 {"tokens", part->token_count},
                                 {"sha256", part->sha256},
                                 {"documents_name", part->documents_name},
                                 {"documents", part->document_count},
                                 {"documents_sha256", part->documents_sha256}});
  }
  write_file(state_->directory.path() / "data.json", document.dump(2) + "\n");
  state_->directory.commit();
}

uint64_t TokenDataWriter::tokens(const std::string& split) const {
  uint64_t total = 0;
  for (const auto& part : state_->parts)
    if (part->split == split) total += part->token_count;
  return total;
}

uint64_t TokenDataWriter::documents(const std::string& split) const {
  uint64_t total = 0;
  for (const auto& part : state_->parts)
    if (part->split == split) total += part->document_count;
  return total;
}

}  // namespace spectra::format
