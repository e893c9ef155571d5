// SPDX-License-Identifier: Apache-2.0
#include "text/decompress.h"

#include <bzlib.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <vector>

#include "base/error.h"

namespace spectra::text {
namespace {

constexpr size_t kChunk = size_t{1} << 18;

/// A file and a window of its bytes that a decompressor eats from.
class Input {
 public:
  explicit Input(const fs::path& path) : path_(path), buffer_(kChunk), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) throw io_error("open", path_.string());
  }
  ~Input() { ::close(descriptor_); }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  /// Reads more when nothing is left. False at the end of the file.
  bool fill() {
    if (begin_ < end_) return true;
    ssize_t count;
    do count = ::read(descriptor_, buffer_.data(), buffer_.size());
    while (count < 0 && errno == EINTR);
    if (count < 0) throw io_error("read", path_.string());
    begin_ = 0;
    end_ = static_cast<size_t>(count);
    consumed_ += end_;
    return count > 0;
  }
  char* data() { return buffer_.data() + begin_; }
  size_t size() const { return end_ - begin_; }
  void skip(size_t count) { begin_ += count; }
  uint64_t offset() const { return consumed_ - size(); }

  Error damaged(const std::string& what) const {
    return bad_input(fmt::format("{}: {} at byte {} of the file", path_.string(), what, offset()),
                     "the file is damaged or was not copied completely: fetch it again");
  }

 private:
  fs::path path_;
  std::vector<char> buffer_;
  int descriptor_;
  size_t begin_ = 0, end_ = 0;
  uint64_t consumed_ = 0;
};

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(std::unique_ptr<Input> input) : input_(std::move(input)) {}
  size_t read(char* data, size_t size) override {
    if (!input_->fill()) return 0;
    const size_t count = std::min(size, input_->size());
    std::memcpy(data, input_->data(), count);
    input_->skip(count);
    return count;
  }
  uint64_t consumed() const override { return input_->offset(); }

 private:
  std::unique_ptr<Input> input_;
};

/// A file is one or more compressed streams, one after the other.
class CompressedSource : public ByteSource {
 public:
  CompressedSource(std::unique_ptr<Input> input, const char* kind) : input_(std::move(input)), kind_(kind) {}
  size_t read(char* data, size_t size) override {
    size_t made = 0;
    while (made == 0 && input_->fill()) {
      if (!inside_) begin();
      inside_ = true;
      inside_ = !step(data, size, made);
    }
    // A stream can still hold back output when its last bytes have been eaten.
    while (made == 0 && inside_) {
      const bool ended = step(data, size, made);
      if (ended) inside_ = false;
      if (made == 0 && !ended) throw input_->damaged(fmt::format("the {} stream ends too early", kind_));
    }
    return made;
  }
  uint64_t consumed() const override { return input_->offset(); }

 protected:
  virtual void begin() = 0;
  /// Decompresses from input() to `data`; `made`: bytes written. Returns true at the end of a stream.
  virtual bool step(char* data, size_t size, size_t& made) = 0;
  Input& input() { return *input_; }
  Error damaged() const { return input_->damaged(fmt::format("invalid {} data", kind_)); }

 private:
  std::unique_ptr<Input> input_;
  const char* kind_;
  bool inside_ = false;
};

class GzipSource : public CompressedSource {
 public:
  explicit GzipSource(std::unique_ptr<Input> input) : CompressedSource(std::move(input), "gzip") {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();  // 15: largest window, + 16: gzip header and checksum
  }
  ~GzipSource() override { inflateEnd(&stream_); }

 private:
  void begin() override { inflateReset(&stream_); }
  bool step(char* data, size_t size, size_t& made) override {
    const auto room = static_cast<uInt>(std::min<size_t>(size, kChunk));
    stream_.next_in = reinterpret_cast<Bytef*>(input().data());
    stream_.avail_in = static_cast<uInt>(input().size());
    stream_.next_out = reinterpret_cast<Bytef*>(data);
    stream_.avail_out = room;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    input().skip(input().size() - stream_.avail_in);
    made = room - stream_.avail_out;
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) throw damaged();
    return result == Z_STREAM_END;
  }
  z_stream stream_{};
};

class Bzip2Source : public CompressedSource {
 public:
  explicit Bzip2Source(std::unique_ptr<Input> input) : CompressedSource(std::move(input), "bzip2") {}
  ~Bzip2Source() override { BZ2_bzDecompressEnd(&stream_); }

 private:
  void begin() override {
    BZ2_bzDecompressEnd(&stream_);
    stream_ = {};
    if (BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) throw std::bad_alloc();
  }
  bool step(char* data, size_t size, size_t& made) override {
    const auto room = static_cast<unsigned>(std::min<size_t>(size, kChunk));
    stream_.next_in = input().data();
    stream_.avail_in = static_cast<unsigned>(input().size());
    stream_.next_out = data;
    stream_.avail_out = room;
    const int result = BZ2_bzDecompress(&stream_);
    input().skip(input().size() - stream_.avail_in);
    made = room - stream_.avail_out;
    if (result != BZ_OK && result != BZ_STREAM_END) throw damaged();
    return result == BZ_STREAM_END;
  }
  bz_stream stream_{};
};

class ZstdSource : public CompressedSource {
 public:
  explicit ZstdSource(std::unique_ptr<Input> input) : CompressedSource(std::move(input), "zstd"), stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, 31);  // also what `zstd --ultra --long=31` wrote
  }
  ~ZstdSource() override { ZSTD_freeDStream(stream_); }

 private:
  void begin() override { ZSTD_DCtx_reset(stream_, ZSTD_reset_session_only); }
  bool step(char* data, size_t size, size_t& made) override {
    ZSTD_inBuffer in{input().data(), input().size(), 0};
    ZSTD_outBuffer out{data, size, 0};
    const size_t result = ZSTD_decompressStream(stream_, &out, &in);
    input().skip(in.pos);
    made = out.pos;
    if (ZSTD_isError(result)) throw damaged();
    return result == 0;
  }
  ZSTD_DStream* stream_;
};

bool starts_with(const Input& input, const char* data, std::string_view magic) {
  return input.size() >= magic.size() && std::memcmp(data, magic.data(), magic.size()) == 0;
}

}  // namespace

std::unique_ptr<ByteSource> ByteSource::open(const fs::path& path) {
  auto input = std::make_unique<Input>(path);
  const bool empty = !input->fill();
  const char* data = input->data();
  const std::string extension = path.extension().string();
  if (starts_with(*input, data, "\x1f\x8b")) return std::make_unique<GzipSource>(std::move(input));
  if (starts_with(*input, data, "\x28\xb5\x2f\xfd")) return std::make_unique<ZstdSource>(std::move(input));
  if (starts_with(*input, data, "BZh") && input->size() >= 10) {
    // "BZh", a digit, then pi (a block) or sqrt(pi) (the end) in binary-coded decimal.
    const std::string_view block(data + 4, 6);
    if (block == "\x31\x41\x59\x26\x53\x59" || block == "\x17\x72\x45\x38\x50\x90")
      return std::make_unique<Bzip2Source>(std::move(input));
  }
  if (extension == ".gz" || extension == ".zst" || extension == ".bz2")
    throw bad_input(fmt::format("{} is {} {} file", path.string(), empty ? "empty, not a" : "not a", extension),
                    "decompress it, or give the file the extension of what it holds");
  return std::make_unique<PlainSource>(std::move(input));
}

std::string read_decompressed(const fs::path& path, size_t limit) {
  const std::unique_ptr<ByteSource> source = ByteSource::open(path);
  std::string bytes, chunk(kChunk, '\0');
  while (const size_t count = source->read(chunk.data(), chunk.size())) {
    bytes.append(chunk, 0, count);
    if (bytes.size() > limit)
      throw bad_input(fmt::format("{} is larger than {} bytes, the limit for this kind of file", path.string(), limit));
  }
  return bytes;
}

}  // namespace spectra::text
