// SPDX-License-Identifier: Apache-2.0
#include "text/corpus.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/decompress.h"
#include "text/stories.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace spectra::text {
namespace {

constexpr size_t kLongestDocument = size_t{64} << 20;

class LineReader {
 public:
  explicit LineReader(const fs::path& path) : source_(ByteSource::open(path)), buffer_(size_t{1} << 18, '\0') {}
  /// The next line with its line break, if it has one. False at the end.
  bool next(std::string& line) {
    line.clear();
    for (;;) {
      if (begin_ == end_) {
        begin_ = 0;
        end_ = source_->read(buffer_.data(), buffer_.size());
        if (end_ == 0) break;
      }
      const char* start = buffer_.data() + begin_;
      const auto* found = static_cast<const char*>(std::memchr(start, '\n', end_ - begin_));
      const size_t count = found == nullptr ? end_ - begin_ : static_cast<size_t>(found - start) + 1;
      line.append(start, count);
      begin_ += count;
      if (found != nullptr) break;
    }
    if (number_++ == 0 && line.compare(0, 3, "\xEF\xBB\xBF") == 0) line.erase(0, 3);  // a byte order mark
    return !line.empty();
  }
  uint64_t number() const { return number_; }  ///< number of the last line read, from 1
  uint64_t consumed() const { return source_->consumed(); }

 private:
  std::unique_ptr<ByteSource> source_;
  std::string buffer_;
  size_t begin_ = 0, end_ = 0;
  uint64_t number_ = 0;
};

bool is_empty_line(const std::string& line) { return line == "\n" || line == "\r\n"; }
bool is_white_space(const std::string& text) { return text.find_first_not_of(" \t\r\n\f\v") == std::string::npos; }

std::string to_utf8(std::string bytes, uint64_t& replaced) {
  return is_valid_utf8(bytes) ? std::move(bytes) : sanitize_utf8(bytes, &replaced);
}

std::string json_line_text(const std::string& line, const std::string& where, uint64_t& replaced) {
  nlohmann::json object;
  try {
    object = nlohmann::json::parse(to_utf8(line, replaced));
  } catch (const nlohmann::json::exception& error) {
    throw bad_input(fmt::format("{}: not valid JSON: {}", where, error.what()), "every line must be one JSON object");
  }
  const auto text = object.is_object() ? object.find("text") : object.end();
  if (!object.is_object() || text == object.end() || !text->is_string())
    throw bad_input(fmt::format("{}: no string \"text\" in {}", where, line.substr(0, 60)),
                    "every line must be a JSON object with the document in the field \"text\"");
  auto content = text->get<std::string>();
  return is_white_space(content) ? std::string() : content;
}

enum class Kind { kText, kJsonLines };

Kind kind_of(const fs::path& path) {
  fs::path name = path.filename();
  std::string extension = name.extension().string();
  if (extension == ".gz" || extension == ".zst" || extension == ".bz2") extension = name.stem().extension().string();
  if (extension == ".jsonl" || extension == ".ndjson") return Kind::kJsonLines;
  for (const char* known : {"", ".txt", ".text", ".raw", ".md"})
    if (extension == known) return Kind::kText;
  throw bad_input(fmt::format("{}: files of kind {} cannot be read", path.string(), extension),
                  "use .txt, or .jsonl with a field \"text\"; each plain or as .gz, .zst, .bz2");
}

class FileCorpus : public DocumentSource {
 public:
  explicit FileCorpus(std::vector<fs::path> files) : files_(std::move(files)) {
    for (const fs::path& file : files_) {
      kind_of(file);
      ByteSource::open(file);
      total_ += fs::file_size(file);
    }
  }
  bool next(PendingDocument& document) override {
    for (; current_ < files_.size(); close()) {
      if (!lines_) lines_ = std::make_unique<LineReader>(files_[current_]);
      if (kind_of(files_[current_]) == Kind::kJsonLines ? next_json_line(document) : next_text(document)) return true;
    }
    return false;
  }
  uint64_t done() const override { return finished_ + (lines_ ? lines_->consumed() : 0); }
  uint64_t total() const override { return total_; }

 private:
  void close() {
    finished_ += lines_->consumed();
    lines_.reset();
    ++current_;
  }
  bool next_json_line(PendingDocument& document) {
    std::string line;
    do
      if (!lines_->next(line)) return false;
    while (is_white_space(line));
    const std::string where = fmt::format("{}:{}", files_[current_].string(), lines_->number());
    document.bytes = line.size();
    document.text = [line = std::move(line), where](uint64_t& replaced) { return json_line_text(line, where, replaced); };
    return true;
  }
  bool next_text(PendingDocument& document) {
    std::string text = std::exchange(next_line_, {}), line, gap;
    int empty_lines = 0;
    while (lines_->next(line)) {
      if (is_empty_line(line)) {
        ++empty_lines;
        gap += line;
        continue;
      }
      if (!text.empty() && (empty_lines >= 2 || text.size() > kLongestDocument)) {
        next_line_ = std::move(line);
        break;
      }
      if (!text.empty()) text += gap;
      text += line;
      gap.clear();
      empty_lines = 0;
    }
    if (text.empty()) return false;
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    document.bytes = text.size();
    document.text = [text = std::move(text)](uint64_t& replaced) {
      return is_white_space(text) ? std::string() : to_utf8(text, replaced);
    };
    return true;
  }

  std::vector<fs::path> files_;
  size_t current_ = 0;
  std::unique_ptr<LineReader> lines_;
  std::string next_line_;  ///< first line of the document after the one handed out
  uint64_t total_ = 0, finished_ = 0;
};

class StoryCorpus : public DocumentSource {
 public:
  StoryCorpus(uint64_t seed, uint64_t count, bool held_out) : seed_(seed), count_(count), held_out_(held_out) {}
  bool next(PendingDocument& document) override {
    if (done_ == count_) return false;
    document.bytes = 700;  // a typical story
    document.text = [seed = seed_, index = done_++, held_out = held_out_](uint64_t&) { return story(seed, index, held_out); };
    return true;
  }
  uint64_t done() const override { return done_; }
  uint64_t total() const override { return count_; }

 private:
  uint64_t seed_, count_;
  bool held_out_;
  uint64_t done_ = 0;
};

}  // namespace

std::unique_ptr<DocumentSource> open_corpus(const std::vector<fs::path>& files) { return std::make_unique<FileCorpus>(files); }

std::unique_ptr<DocumentSource> open_stories(uint64_t seed, uint64_t count, bool held_out) {
  return std::make_unique<StoryCorpus>(seed, count, held_out);
}

}  // namespace spectra::text
