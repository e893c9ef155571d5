// SPDX-License-Identifier: Apache-2.0
#include "text/prepare.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/system.h"
#include "format/token_data.h"
#include "text/bpe_trainer.h"
#include "text/corpus.h"
#include "text/tokenizer.h"
#include "text/word_cache.h"

namespace spectra::text {
namespace {

constexpr size_t kBatchBytes = size_t{1} << 18;  // long enough for a thread to be worth its while
constexpr uint64_t kSplitStream = 0x5EED5;       // the Rng stream that draws validation documents

/// A part of the data: where its documents come from and which of them are for validation.
struct Part {
  std::function<std::unique_ptr<DocumentSource>()> open;
  double valid_fraction = 0;  ///< 1: all
};

struct Item {
  PendingDocument document;
  bool valid = false;
};
using Batch = std::vector<Item>;

/// Objects that a thread borrows while it works on a batch.
template <class T>
class Pool {
 public:
  std::unique_ptr<T> take() {
    const std::lock_guard lock(mutex_);
    if (idle.empty()) return std::make_unique<T>();
    std::unique_ptr<T> object = std::move(idle.back());
    idle.pop_back();
    return object;
  }
  void give(std::unique_ptr<T> object) {
    const std::lock_guard lock(mutex_);
    idle.push_back(std::move(object));
  }
  std::vector<std::unique_ptr<T>> idle;

 private:
  std::mutex mutex_;
};

std::vector<Part> parts_of(const PrepareOptions& options) {
  if (options.stories > 0) {
    const auto held_out = static_cast<uint64_t>(std::ceil(static_cast<double>(options.stories) * options.valid_fraction));
    return {{[=] { return open_stories(options.seed, options.stories, false); }, 0},
            {[=] { return open_stories(options.seed, held_out, true); }, 1}};
  }
  return {{[=] { return open_corpus(options.inputs); }, options.valid_fraction},
          {[=] { return open_corpus(options.valid_files); }, 1}};
}

/// Reads a part in batches, about `most` at a time.
class BatchReader {
 public:
  BatchReader(const Part& part, uint64_t seed)
      : source_(part.open()), draws_(seed, kSplitStream), valid_fraction_(part.valid_fraction) {}

  std::vector<Batch> read(size_t most) {
    std::vector<Batch> batches;
    size_t room = 0;
    Item item;
    while ((room > 0 || batches.size() < most) && source_->next(item.document)) {
      item.valid = static_cast<double>(draws_.at(index_++) >> 11) * 0x1p-53 < valid_fraction_;
      if (room == 0) {
        batches.emplace_back();
        room = kBatchBytes;
      }
      room -= std::min(room, item.document.bytes);
      batches.back().push_back(std::move(item));
    }
    return batches;
  }
  const DocumentSource& source() const { return *source_; }

 private:
  std::unique_ptr<DocumentSource> source_;
  Rng draws_;
  double valid_fraction_;
  uint64_t index_ = 0;
};

/// Runs work(batch) on all cores, then finish(batch, result) in order on this thread. The next batches are read meanwhile.
template <class Result>
void for_each_batch(const Part& part, const PrepareOptions& options, const std::string& title,
                    const std::function<Result(const Batch&)>& work, const std::function<void(Result&)>& finish) {
  const int threads = options.threads > 0 ? options.threads : cpu_count();
  BatchReader reader(part, options.seed);
  Progress progress(title, reader.source().total());
  const size_t most = static_cast<size_t>(threads) * 4;
  for (std::vector<Batch> round = reader.read(most); !round.empty();) {
    check_interrupted();
    std::vector<Batch> following;
    std::vector<Result> results(round.size());
    const auto body = [&](size_t i) {
      if (i == 0) {
        following = reader.read(most);
      } else {
        results[i - 1] = work(round[i - 1]);
      }
    };
    parallel_for(round.size() + 1, body, threads);
    for (Result& result : results) finish(result);
    round = std::move(following);
    progress.update(reader.source().done());
  }
}

std::string train_tokenizer(const PrepareOptions& options) {
  Pool<WordCounter> counters;
  const std::function<int(const Batch&)> work = [&](const Batch& batch) {
    std::unique_ptr<WordCounter> counter = counters.take();
    uint64_t replaced = 0;
    for (const Item& item : batch)
      if (!item.valid) counter->add(item.document.text(replaced));
    counters.give(std::move(counter));
    return 0;
  };
  for_each_batch<int>(parts_of(options)[0], options, "counting words", work, [](int&) {});
  WordCounter total;
  for (const auto& counter : counters.idle) total.add(*counter);
  if (total.counts().empty())
    throw bad_input("the corpus is empty: there is nothing to train a tokenizer on", "give files with text in them");
  log_info("training a tokenizer of {} entries on {} different words", options.train_vocabulary, total.counts().size());
  return train_bpe(total, options.train_vocabulary);
}

struct Encoded {
  std::vector<std::vector<uint32_t>> train, valid;
  uint64_t text_bytes = 0, replaced = 0;
};

void encode_parts(const PrepareOptions& options, const Tokenizer& tokenizer, format::TokenDataWriter& writer,
                  PrepareSummary& summary) {
  Pool<WordCache> caches;
  const std::function<Encoded(const Batch&)> work = [&](const Batch& batch) {
    std::unique_ptr<WordCache> cache = caches.take();
    Encoded encoded;
    for (const Item& item : batch) {
      const std::string text = item.document.text(encoded.replaced);
      if (text.empty()) continue;
      encoded.text_bytes += text.size();
      std::vector<uint32_t> ids = tokenizer.encode(text, false, nullptr, cache.get());
      ids.push_back(static_cast<uint32_t>(tokenizer.eos()));
      (item.valid ? encoded.valid : encoded.train).push_back(std::move(ids));
    }
    caches.give(std::move(cache));
    return encoded;
  };
  const auto finish = [&](Encoded& encoded) {
    for (const auto& document : encoded.train) writer.append("train", document);
    for (const auto& document : encoded.valid) writer.append("valid", document);
    summary.text_bytes += encoded.text_bytes;
    summary.replaced_bytes += encoded.replaced;
  };
  for (const Part& part : parts_of(options)) for_each_batch<Encoded>(part, options, "tokenizing", work, finish);
}

std::vector<std::pair<std::string, std::string>> hash_sources(const PrepareOptions& options) {
  std::vector<std::pair<std::string, std::string>> sources;
  if (options.stories > 0) {
    const std::string name = fmt::format("synthetic stories, count {}, seed {}, held-out fraction {}", options.stories,
                                         options.seed, options.valid_fraction);
    sources.emplace_back(name, spectra::sha256(name));  // the hash of the description, from which the stories follow
  }
  for (const auto* files : {&options.inputs, &options.valid_files})
    for (const fs::path& file : *files) sources.emplace_back(file.string(), sha256_file(file));
  return sources;
}

/// tokenizer.json and what transformers wants beside it: the given files, or ones made from the tokenizer.
void write_tokenizer_files(const PrepareOptions& options, const Tokenizer& tokenizer, const fs::path& out) {
  const std::string bos = tokenizer.decode({static_cast<uint32_t>(tokenizer.bos())}, true);
  const std::string eos = tokenizer.decode({static_cast<uint32_t>(tokenizer.eos())}, true);
  const auto write = [&](const char* name, const std::string& made) {
    const fs::path given = options.tokenizer / name;
    write_file(out / name, !options.tokenizer.empty() && fs::is_regular_file(given) ? read_file(given) : made);
  };
  write_file(out / "tokenizer.json", tokenizer.json());
  write("tokenizer_config.json", tokenizer_config_json(bos, eos, tokenizer.adds_bos()));
  write("special_tokens_map.json", special_tokens_map_json(bos, eos));
}

void require_documents(const PrepareOptions& options, const PrepareSummary& summary) {
  if (summary.train.documents == 0 && summary.valid.documents == 0)
    throw bad_input("the corpus is empty: no input holds a document", "give files with text in them");
  if (summary.train.documents == 0)
    throw bad_input("no document is left for training", "use a smaller --valid-fraction or more inputs");
  const bool wanted = options.valid_fraction > 0 || !options.valid_files.empty();
  if (wanted && summary.valid.documents == 0)
    throw bad_input(fmt::format("none of the {} documents is for validation", summary.train.documents),
                    "use a larger --valid-fraction, or give validation text with --valid. A text file without two empty lines in a "
                    "row is one document");
}

}  // namespace

PrepareSummary prepare(const PrepareOptions& options) {
  require_new_directory(options.out);
  for (const Part& part : parts_of(options)) part.open();  // a missing file is found before any work
  Tokenizer tokenizer = options.tokenizer.empty() ? Tokenizer::parse(train_tokenizer(options), "the trained tokenizer")
                                                  : Tokenizer::load(options.tokenizer);
  if (tokenizer.eos() < 0)
    throw bad_input(fmt::format("{} names no token that ends a document", options.tokenizer.string()),
                    "give a directory with a tokenizer_config.json that has an eos_token");
  if (options.train_vocabulary > tokenizer.vocab_size())
    log_warning("the corpus gives a vocabulary of {} entries only, not {}", tokenizer.vocab_size(), options.train_vocabulary);

  format::TokenDataWriter writer(options.out, tokenizer.vocab_size());
  PrepareSummary summary;
  summary.vocab = tokenizer.vocab_size();
  summary.tokenizer_sha256 = tokenizer.sha256();
  encode_parts(options, tokenizer, writer, summary);
  summary.train = {writer.tokens("train"), writer.documents("train")};
  summary.valid = {writer.tokens("valid"), writer.documents("valid")};
  require_documents(options, summary);

  write_tokenizer_files(options, tokenizer, writer.path());
  format::TokenDataInfo info;
  info.tokenizer_sha256 = summary.tokenizer_sha256;
  info.vocab = summary.vocab;
  info.eos = tokenizer.eos();
  info.sources = hash_sources(options);
  info.replaced_bytes = summary.replaced_bytes;
  check_interrupted();
  writer.finish(info);
  return summary;
}

}  // namespace spectra::text
