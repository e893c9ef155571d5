// SPDX-License-Identifier: Apache-2.0
#include "text/corpus.h"

#include <bzlib.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/rng.h"
#include "test_data.h"
#include "text/decompress.h"

namespace spectra::text {
namespace {

std::vector<std::string> documents(const std::vector<fs::path>& files, uint64_t* replaced = nullptr) {
  const auto source = open_corpus(files);
  std::vector<std::string> texts;
  PendingDocument document;
  uint64_t count = 0;
  while (source->next(document)) {
    std::string text = document.text(count);
    if (!text.empty()) texts.push_back(std::move(text));
  }
  EXPECT_EQ(source->done(), source->total());
  if (replaced != nullptr) *replaced = count;
  return texts;
}

std::string gzip(const std::string& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

std::string bzip2(const std::string& bytes) {
  std::string out(bytes.size() + bytes.size() / 50 + 700, '\0');
  auto size = static_cast<unsigned>(out.size());
  BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()), 9, 0, 0);
  out.resize(size);
  return out;
}

/// More than any buffer holds, and not compressed to nothing.
std::string long_text() {
  Rng rng(5);
  std::string text;
  while (text.size() < 1'000'000) text += std::to_string(rng.next()) + " word\n";
  return text;
}

struct Compression {
  const char* extension;
  std::string (*compress)(const std::string&);
};
const Compression kCompressions[] = {{".gz", gzip}, {".zst", zstd}, {".bz2", bzip2}};

TEST(Decompress, WholeStreamsAndSeveralInOneFile) {
  const test::TemporaryDirectory directory;
  const std::string text = long_text();
  for (const Compression& kind : kCompressions) {
    const fs::path path = directory / (std::string("text.txt") + kind.extension);
    write_file(path, kind.compress(text));
    EXPECT_EQ(read_decompressed(path), text) << kind.extension;
    write_file(path, kind.compress("first ") + kind.compress("") + kind.compress("second"));
    EXPECT_EQ(read_decompressed(path), "first second") << kind.extension;
    write_file(path, kind.compress(""));
    EXPECT_EQ(read_decompressed(path), "") << kind.extension;
  }
}

TEST(Decompress, CutAndDamagedStreamsNameTheFile) {
  const test::TemporaryDirectory directory;
  const std::string text = long_text();
  for (const Compression& kind : kCompressions) {
    const fs::path path = directory / (std::string("text.txt") + kind.extension);
    const std::string bytes = kind.compress(text);
    for (const size_t size : {size_t{12}, bytes.size() / 2, bytes.size() - 1}) {
      write_file(path, bytes.substr(0, size));
      try {
        read_decompressed(path);
        ADD_FAILURE() << kind.extension << " cut at " << size;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Exit::kBadInput);
        EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos);
        EXPECT_NE(std::string(error.what()).find("at byte"), std::string::npos) << error.what();
      }
    }
    std::string damaged = bytes;
    for (size_t i = 0; i < 8; ++i) damaged[bytes.size() / 2 + i] = static_cast<char>(~damaged[bytes.size() / 2 + i]);
    if (kind.compress != zstd) {  // ZSTD_compress writes no checksum, so damage is not always seen
      write_file(path, damaged);
      EXPECT_THROW(read_decompressed(path), Error) << kind.extension;
    }
    write_file(path, bytes + "rubbish");
    EXPECT_THROW(read_decompressed(path), Error) << kind.extension;
    write_file(path, "plain text");
    EXPECT_THROW(read_decompressed(path), Error) << kind.extension;
    write_file(path, "");
    EXPECT_THROW(read_decompressed(path), Error) << kind.extension;
  }
}

TEST(Corpus, TwoEmptyLinesSeparateDocuments) {
  const test::TemporaryDirectory directory;
  write_file(directory / "a.txt", "\xEF\xBB\xBF\n\nOne.\n\nStill one.\n\n\nTwo.\r\n\r\n\r\nThree,\n \n \nstill.\n\n\n  \n\n\n");
  EXPECT_EQ(documents({directory / "a.txt"}), (std::vector<std::string>{"One.\n\nStill one.", "Two.", "Three,\n \n \nstill."}));
}

TEST(Corpus, OtherwiseTheFileIsOneDocument) {
  const test::TemporaryDirectory directory;
  write_file(directory / "a.txt", "One.\n\nStill one.\nAnd on");
  write_file(directory / "b", "Two.");
  write_file(directory / "empty.txt", "");
  EXPECT_EQ(documents({directory / "a.txt", directory / "empty.txt", directory / "b"}),
            (std::vector<std::string>{"One.\n\nStill one.\nAnd on", "Two."}));
}

TEST(Corpus, JsonLines) {
  const test::TemporaryDirectory directory;
  write_file(
      directory / "a.jsonl.gz",
      gzip("{\"text\": \"One\\n\\n\\nstill\"}\n\n{\"id\": 3, \"text\": \"Two\"}\r\n{\"text\": \" \"}\n{\"text\": \"Three\"}"));
  EXPECT_EQ(documents({directory / "a.jsonl.gz"}), (std::vector<std::string>{"One\n\n\nstill", "Two", "Three"}));
}

TEST(Corpus, InvalidUtf8IsReplacedAndCounted) {
  const test::TemporaryDirectory directory;
  write_file(directory / "a.txt", "One \xFF\xFE.");
  write_file(directory / "b.jsonl", "{\"text\": \"Two \xC3.\"}");
  uint64_t replaced = 0;
  EXPECT_EQ(documents({directory / "a.txt", directory / "b.jsonl"}, &replaced),
            (std::vector<std::string>{"One \xEF\xBF\xBD\xEF\xBF\xBD.", "Two \xEF\xBF\xBD."}));
  EXPECT_EQ(replaced, 3u);
}

TEST(Corpus, BadLinesAndFilesAreNamed) {
  const test::TemporaryDirectory directory;
  for (const char* line : {"{\"text\": \"cut", "[1]", "{\"content\": \"x\"}", "{\"text\": 5}", "\"text\""}) {
    write_file(directory / "a.jsonl", std::string("{\"text\": \"fine\"}\n") + line + "\n");
    try {
      documents({directory / "a.jsonl"});
      ADD_FAILURE() << line;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("a.jsonl:2"), std::string::npos) << error.what();
    }
  }
  write_file(directory / "table.parquet", "PAR1");
  EXPECT_THROW(open_corpus({directory / "table.parquet"}), Error);
  EXPECT_THROW(open_corpus({directory / "absent.txt"}), Error);
  EXPECT_THROW(open_corpus({directory.path()}), Error);
}

TEST(Corpus, BooksAndSections) {
  const fs::path text = test::data_directory() / "text";
  SPECTRA_NEEDS_DATA(text);
  EXPECT_EQ(documents({text / "novels-valid.txt.zst"}).size(), 3u);
  EXPECT_EQ(documents({text / "c4-sample.jsonl.gz"}).size(), 300u);
}

}  // namespace
}  // namespace spectra::text
