// SPDX-License-Identifier: Apache-2.0
#include "quantize/calibration.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/system.h"
#include "format/token_data.h"
#include "text/corpus.h"
#include "text/word_cache.h"

namespace spectra::quantize {
namespace {

constexpr uint64_t kWindows = 0x63616c6962;  // stream of random numbers

std::vector<int32_t> encode(const fs::path& source, const text::Tokenizer& tokenizer, uint64_t wanted) {
  std::vector<int32_t> ids;
  const auto documents = text::open_corpus({source});
  text::PendingDocument document;
  text::WordCache cache;
  uint64_t replaced = 0;
  while (documents->next(document)) {
    check_interrupted("nothing was written");
    if (ids.size() >= wanted * kMostDraws) {
      log_info("{}: windows are drawn from its first {} tokens", source.string(), ids.size());
      break;
    }
    const std::string text = document.text(replaced);
    if (text.empty()) continue;
    if (tokenizer.adds_bos()) ids.push_back(tokenizer.bos());
    for (const uint32_t id : tokenizer.encode(text, true, nullptr, &cache)) ids.push_back(static_cast<int32_t>(id));
    if (!tokenizer.adds_bos()) ids.push_back(tokenizer.eos());
  }
  if (replaced > 0) log_warning("{}: {} bytes are not UTF-8 and became U+FFFD", source.string(), replaced);
  return ids;
}

void open_tokens(format::TokenData& data, const fs::path& source, const text::Tokenizer& tokenizer) {
  if (!data.has_tokenizer()) {
    data.set_tokenizer(tokenizer.sha256(), tokenizer.vocab_size(), tokenizer.eos());
  } else if (data.info().tokenizer_sha256 != tokenizer.sha256()) {
    throw bad_input(fmt::format("{}: its tokens were made with another tokenizer than the model's", source.string()),
                    "prepare the text again with `spectra prepare --tokenizer MODEL`, or give the text itself as --calibration");
  }
}

/// Windows of a stream of `count` tokens; read(begin, out) copies one.
void draw(Calibration& out, const fs::path& source, uint64_t seed, const std::function<void(uint64_t, int32_t*)>& read) {
  const auto sequence = static_cast<uint64_t>(out.sequence);
  if (out.available < sequence)
    throw bad_input(fmt::format("{}: {} tokens, but one calibration sequence has {}", source.string(), out.available, sequence),
                    "give a longer text, or a shorter --sequence");
  const uint64_t wanted = static_cast<uint64_t>(out.samples) * sequence;
  if (out.available < wanted)
    log_warning("{}: {} tokens for {} sequences of {}: they overlap; a longer text, or fewer --samples, serves better",
                source.string(), out.available, out.samples, sequence);
  out.tokens.resize(wanted);
  const Rng random(seed, kWindows);
  for (uint64_t i = 0; i < static_cast<uint64_t>(out.samples); ++i) {
    const auto begin = static_cast<uint64_t>(random.uniform_at(i) * static_cast<double>(out.available - sequence + 1));
    read(std::min(begin, out.available - sequence), out.tokens.data() + i * sequence);
  }
}

}  // namespace

Calibration read_calibration(const fs::path& source, const text::Tokenizer& tokenizer, int64_t vocab, int64_t samples,
                             int64_t sequence, uint64_t seed) {
  Calibration out;
  out.samples = samples;
  out.sequence = sequence;
  if (format::TokenData::recognize(source)) {
    format::TokenData data(source);
    open_tokens(data, source, tokenizer);
    const format::TokenStream& stream = data.split("train");
    out.available = stream.size();
    draw(out, source, seed, [&](uint64_t begin, int32_t* to) { stream.read(begin, static_cast<uint64_t>(sequence), to); });
  } else {
    const std::vector<int32_t> ids = encode(source, tokenizer, static_cast<uint64_t>(samples * sequence));
    out.available = ids.size();
    draw(out, source, seed,
         [&](uint64_t begin, int32_t* to) { std::copy_n(ids.begin() + static_cast<int64_t>(begin), sequence, to); });
  }
  for (const int32_t token : out.tokens)
    if (token < 0 || token >= vocab)
      throw bad_input(fmt::format("{}: token {}, but the model's vocabulary has {}", source.string(), token, vocab),
                      "use the tokenizer.json that the model was trained with");
  out.sha256 = sha256({reinterpret_cast<const char*>(out.tokens.data()), out.tokens.size() * sizeof(int32_t)});
  return out;
}

}  // namespace spectra::quantize
