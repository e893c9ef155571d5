// SPDX-License-Identifier: Apache-2.0
#include "format/megatron.h"

#include <cstring>

#include "base/error.h"

namespace spectra::format {
namespace {

constexpr std::string_view kIndexMagic{"MMIDIDX\0\0", 9};
constexpr uint64_t kIndexHeader = 34;
constexpr const char* kMegatronHint = "the data is damaged or incomplete: copy both files again";

template <class T>
T at(std::string_view bytes, uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TokenType type_of(uint8_t code, const std::string& where) {
  switch (code) {
    case 1:
      return TokenType::kU8;
    case 2:
      return TokenType::kI8;
    case 3:
      return TokenType::kI16;
    case 4:
      return TokenType::kI32;
    case 5:
      return TokenType::kI64;
    case 8:
      return TokenType::kU16;
    default:
      throw bad_input(fmt::format("{}: tokens are of type {}", where, code),
                      "tokens are whole numbers: types 1 to 5 and 8 can be read");
  }
}

class MegatronDocuments final : public DocumentIndex {
 public:
  MegatronDocuments(std::shared_ptr<MappedFile> file, const MegatronIndex& index, uint64_t tokens)
      : file_(std::move(file)), index_(index), tokens_(tokens) {
    // The entry that only ends the last document is not one.
    if (index_.entries > 0 && sequence(index_.entries - 1) == index_.sequences) --index_.entries;
  }
  uint64_t count() const override { return index_.entries; }
  uint64_t start(uint64_t i) const override {
    const uint64_t first = sequence(i);
    if (first == index_.sequences) return tokens_;  // an empty document at the end
    if (first > index_.sequences) return UINT64_MAX;
    return pointer(first) / token_bytes(index_.type);
  }
  const fs::path& path() const override { return file_->path(); }
  bool may_be_empty() const override { return true; }

  uint64_t length(uint64_t sequence) const {  // a negative one becomes too large
    return static_cast<uint64_t>(int64_t{at<int32_t>(text_of(*file_), kIndexHeader + 4 * sequence)});
  }
  uint64_t pointer(uint64_t sequence) const {
    return at<uint64_t>(text_of(*file_), kIndexHeader + 4 * index_.sequences + 8 * sequence);
  }

  /// Throws Error unless sequences follow each other through the whole of the tokens, and documents through the sequences.
  void verify() const {
    const uint64_t width = token_bytes(index_.type);
    uint64_t next = 0;
    for (uint64_t i = 0; i < index_.sequences; ++i) {
      if (length(i) > tokens_ || pointer(i) != next)
        throw bad_input(fmt::format("{}: sequence {} has {} tokens from byte {} on, the one before ends at byte {}",
                                    path().string(), i, static_cast<int64_t>(length(i)), pointer(i), next),
                        kMegatronHint);
      next += length(i) * width;
    }
    if (next != tokens_ * width)
      throw bad_input(fmt::format("{}: sequences end at byte {} of {}", path().string(), next, tokens_ * width), kMegatronHint);
    for (uint64_t i = 0; i < index_.entries; ++i)
      if (sequence(i) > index_.sequences || (i > 0 && sequence(i) < sequence(i - 1)) || (i == 0 && sequence(i) != 0))
        throw bad_input(fmt::format("{}: document {} begins with sequence {}, which is out of order or not one of {}",
                                    path().string(), i, sequence(i), index_.sequences),
                        kMegatronHint);
  }

 private:
  uint64_t sequence(uint64_t document) const {
    return at<uint64_t>(text_of(*file_), kIndexHeader + 12 * index_.sequences + 8 * document);
  }
  std::shared_ptr<MappedFile> file_;
  MegatronIndex index_;
  uint64_t tokens_;
};

}  // namespace

MegatronIndex parse_megatron_index(std::string_view bytes, const std::string& where) {
  if (bytes.size() < kIndexHeader || bytes.substr(0, kIndexMagic.size()) != kIndexMagic)
    throw bad_input(fmt::format("{} is not the index of a Megatron data set: it does not begin with MMIDIDX", where),
                    kMegatronHint);
  if (const auto version = at<uint64_t>(bytes, 9); version != 1)
    throw bad_input(fmt::format("{}: version {} of the index, known is 1", where, version));
  MegatronIndex index;
  index.type = type_of(at<uint8_t>(bytes, 17), where);
  index.sequences = at<uint64_t>(bytes, 18);
  index.entries = at<uint64_t>(bytes, 26);
  const uint64_t room = bytes.size() - kIndexHeader;
  if (index.sequences > room / 12 || index.entries > room / 8 || 12 * index.sequences + 8 * index.entries != room)
    throw bad_input(fmt::format("{} has {} bytes; {} sequences and {} document entries need another number", where, bytes.size(),
                                index.sequences, index.entries),
                    kMegatronHint);
  return index;
}

fs::path megatron_index_path(const fs::path& path) {
  fs::path prefix = path;
  if (path.extension() == ".bin" || path.extension() == ".idx") prefix.replace_extension();
  fs::path index = prefix, tokens = prefix;
  index += ".idx";
  tokens += ".bin";
  return fs::is_regular_file(index) && fs::is_regular_file(tokens) ? index : fs::path();
}

TokenPart open_megatron(const fs::path& index_path, bool verify) {
  const auto file = std::make_shared<MappedFile>(index_path);
  const MegatronIndex index = parse_megatron_index(text_of(*file), index_path.string());
  fs::path tokens = index_path;
  tokens.replace_extension(".bin");
  TokenPart part;
  part.tokens = std::make_shared<MappedFile>(tokens);
  part.type = index.type;
  const uint64_t bytes = part.tokens->bytes().size(), width = token_bytes(index.type);
  part.count = bytes / width;
  const auto documents = std::make_shared<MegatronDocuments>(file, index, part.count);
  // The last sequence ends where the tokens do: the pair belongs together.
  uint64_t end = 0;
  if (index.sequences > 0) {
    const uint64_t last = index.sequences - 1, length = documents->length(last);
    end = length > part.count ? UINT64_MAX : documents->pointer(last) + length * width;
  }
  if (end != bytes)
    throw bad_input(fmt::format("{} has {} bytes, which is not where the last of the {} sequences of {} ends", tokens.string(),
                                bytes, index.sequences, index_path.string()),
                    kMegatronHint);
  if (verify) documents->verify();
  part.documents = documents;
  return part;
}

}  // namespace spectra::format
