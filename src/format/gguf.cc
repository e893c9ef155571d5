// SPDX-License-Identifier: Apache-2.0
#include "format/gguf.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>

#include "base/error.h"

namespace spectra::format {
namespace {

constexpr const char* kGgufHint = "the file is damaged or incomplete; write or download it again";
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kLargestAlignment = 1 << 20;
constexpr uint32_t kMostDimensions = 4;
constexpr uint64_t kSmallestValue = 8 + 4 + 1;           // empty key, kind, one byte
constexpr uint64_t kSmallestTensor = 8 + 4 + 8 + 4 + 8;  // empty name, one dimension

/// Bytes of one element; 0 for texts and arrays.
uint64_t kind_bytes(GgufKind kind) {
  switch (kind) {
    case GgufKind::kU8:
    case GgufKind::kI8:
    case GgufKind::kBool:
      return 1;
    case GgufKind::kU16:
    case GgufKind::kI16:
      return 2;
    case GgufKind::kU32:
    case GgufKind::kI32:
    case GgufKind::kF32:
      return 4;
    case GgufKind::kU64:
    case GgufKind::kI64:
    case GgufKind::kF64:
      return 8;
    case GgufKind::kText:
    case GgufKind::kArray:
      return 0;
  }
  return 0;
}

/// Reads the header from front to back.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& where) : bytes_(bytes), where_(where) {}
  uint64_t at() const { return at_; }
  uint64_t left() const { return bytes_.size() - at_; }

  [[noreturn]] void fail(const std::string& problem) const {
    throw bad_input(fmt::format("{}: byte {}: {}", where_, at_, problem), kGgufHint);
  }
  std::span<const std::byte> take(uint64_t count, const char* what) {
    if (count > left()) fail(fmt::format("{} of {} bytes, but only {} are left", what, count, left()));
    const auto taken = bytes_.subspan(at_, count);
    at_ += count;
    return taken;
  }
  template <class T>
  T number(const char* what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }
  std::string_view text(const char* what) {
    const auto bytes = take(number<uint64_t>(what), what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  /// A count of things of at least `smallest` bytes each.
  uint64_t count(const char* what, uint64_t smallest) {
    const auto value = number<uint64_t>(what);
    if (value > left() / smallest) fail(fmt::format("{} {}, but only {} bytes are left", value, what, left()));
    return value;
  }
  GgufKind kind() {
    const auto id = number<uint32_t>("kind");
    if (id > static_cast<uint32_t>(GgufKind::kF64)) fail(fmt::format("unknown kind of value {}", id));
    return static_cast<GgufKind>(id);
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& where_;
  uint64_t at_ = 0;
};

GgufValue read_value(Cursor& cursor) {
  GgufValue value{};
  value.kind = cursor.kind();
  if (value.kind == GgufKind::kArray) {
    value.array = true;
    value.kind = cursor.kind();
    if (value.kind == GgufKind::kArray) cursor.fail("an array of arrays, which spectra does not read");
    value.count = cursor.count("elements", value.kind == GgufKind::kText ? 8 : kind_bytes(value.kind));
  }
  if (value.kind != GgufKind::kText) {
    value.numbers = cursor.take(value.count * kind_bytes(value.kind), "value");
    return value;
  }
  value.texts.reserve(value.count);
  for (uint64_t i = 0; i < value.count; ++i) value.texts.push_back(cursor.text("text"));
  return value;
}

struct TensorExtent {
  uint64_t offset, bytes;
  size_t tensor;
};

GgufTensor read_tensor(Cursor& cursor, uint64_t& offset, uint64_t& bytes) {
  GgufTensor tensor;
  tensor.name = std::string(cursor.text("tensor name"));
  const auto dimensions = cursor.number<uint32_t>("dimensions");
  if (dimensions < 1 || dimensions > kMostDimensions)
    cursor.fail(fmt::format("tensor {} has {} dimensions, allowed are 1 to {}", tensor.name, dimensions, kMostDimensions));
  int64_t elements = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto extent = cursor.number<uint64_t>("dimension");
    if (extent < 1 || extent > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
        __builtin_mul_overflow(elements, static_cast<int64_t>(extent), &elements))
      cursor.fail(fmt::format("tensor {} has a dimension of {}, its shape is empty or too large", tensor.name, extent));
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(extent));
  }
  const auto id = cursor.number<uint32_t>("type");
  const GgmlTypeInfo* info = find_ggml_type(id);
  if (info == nullptr)
    throw bad_input(fmt::format("tensor {} is of type {}, which spectra does not read", tensor.name, id),
                    "known are F32, F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K, TQ1_0 and TQ2_0; convert the model to F16");
  tensor.type = info->type;
  if (tensor.cols() % info->block != 0)
    cursor.fail(
        fmt::format("tensor {} is {} with rows of {}, no multiple of {}", tensor.name, info->name, tensor.cols(), info->block));
  int64_t size = 0;
  if (__builtin_mul_overflow(elements / info->block, info->bytes, &size))
    cursor.fail(fmt::format("tensor {} is too large", tensor.name));
  bytes = static_cast<uint64_t>(size);
  offset = cursor.number<uint64_t>("offset");
  return tensor;
}

uint64_t data_alignment(const GgufContents& contents) {
  const int64_t value = contents.integer("general.alignment", kDefaultAlignment);
  if (value < 1 || static_cast<uint64_t>(value) > kLargestAlignment || (value & (value - 1)) != 0)
    throw bad_input(fmt::format("{}: general.alignment is {}", contents.where, value), "allowed are powers of two up to 1048576");
  return static_cast<uint64_t>(value);
}

/// Hands each tensor its bytes; refuses those outside the file, unaligned or overlapping.
void place(GgufContents& contents, std::vector<TensorExtent> extents, std::span<const std::byte> data, uint64_t alignment) {
  const auto fail = [&](const TensorExtent& extent, const std::string& problem) {
    throw bad_input(fmt::format("{}: tensor {}: {}", contents.where, contents.tensors[extent.tensor].name, problem), kGgufHint);
  };
  for (const TensorExtent& extent : extents) {
    if (extent.offset % alignment != 0) fail(extent, fmt::format("offset {} is no multiple of {}", extent.offset, alignment));
    if (extent.offset > data.size() || extent.bytes > data.size() - extent.offset)
      fail(extent,
           fmt::format("{} bytes at offset {} lie outside the data section of {} bytes", extent.bytes, extent.offset, data.size()));
    contents.tensors[extent.tensor].data = data.subspan(extent.offset, extent.bytes);
  }
  std::sort(extents.begin(), extents.end(), [](const TensorExtent& a, const TensorExtent& b) { return a.offset < b.offset; });
  for (size_t i = 0; i + 1 < extents.size(); ++i)
    if (extents[i + 1].offset < extents[i].offset + extents[i].bytes)
      fail(extents[i + 1], fmt::format("begins inside tensor {}", contents.tensors[extents[i].tensor].name));
}

void check_magic(Cursor& cursor, const std::string& where) {
  const auto magic = cursor.take(4, "file");
  if (std::memcmp(magic.data(), "GGUF", 4) != 0) throw bad_input(where + ": is not a GGUF file");
  const auto version = cursor.number<uint32_t>("version");
  if (version == 2 || version == 3) return;
  throw bad_input(fmt::format("{}: GGUF version {}", where, version),
                  version != 0 && version % 65536 == 0 ? "it is a big-endian file; spectra reads little-endian ones"
                                                       : "spectra reads versions 2 and 3; convert it with a newer tool");
}

template <class T>
T number_at(const GgufValue& value, uint64_t i) {
  T number;
  std::memcpy(&number, value.numbers.data() + i * sizeof(T), sizeof(T));
  return number;
}

/// Element i as a whole number; nothing for other kinds and above 63 bits.
std::optional<int64_t> whole(const GgufValue& value, uint64_t i) {
  switch (value.kind) {
    case GgufKind::kU8:
      return number_at<uint8_t>(value, i);
    case GgufKind::kI8:
      return number_at<int8_t>(value, i);
    case GgufKind::kU16:
      return number_at<uint16_t>(value, i);
    case GgufKind::kI16:
      return number_at<int16_t>(value, i);
    case GgufKind::kU32:
      return number_at<uint32_t>(value, i);
    case GgufKind::kI32:
      return number_at<int32_t>(value, i);
    case GgufKind::kI64:
      return number_at<int64_t>(value, i);
    case GgufKind::kU64: {
      const auto number = number_at<uint64_t>(value, i);
      if (number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return static_cast<int64_t>(number);
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> real(const GgufValue& value, uint64_t i) {
  if (value.kind == GgufKind::kF32) return number_at<float>(value, i);
  if (value.kind == GgufKind::kF64) return number_at<double>(value, i);
  return std::nullopt;
}

[[noreturn]] void wrong(const GgufContents& contents, const std::string& key, const char* expected) {
  throw bad_input(fmt::format("{}: {} is {}", contents.where, key, contents.find(key) == nullptr ? "missing" : "of another kind"),
                  fmt::format("expected {}", expected));
}

}  // namespace

int64_t GgufTensor::rows() const {
  int64_t count = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) count *= shape[i];
  return count;
}

const GgufValue* GgufContents::find(const std::string& key) const {
  const auto found = values.find(key);
  return found == values.end() ? nullptr : &found->second;
}

int64_t GgufContents::integer(const std::string& key) const {
  const GgufValue* value = find(key);
  const auto number = value != nullptr && !value->array ? whole(*value, 0) : std::nullopt;
  if (!number) wrong(*this, key, "a whole number");
  return *number;
}
int64_t GgufContents::integer(const std::string& key, int64_t absent) const { return find(key) == nullptr ? absent : integer(key); }

double GgufContents::number(const std::string& key, double absent) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return absent;
  const auto number = value->array ? std::nullopt : real(*value, 0);
  if (!number) wrong(*this, key, "a floating-point number");
  return *number;
}

bool GgufContents::flag(const std::string& key, bool absent) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return absent;
  if (value->array || value->kind != GgufKind::kBool) wrong(*this, key, "true or false");
  return value->numbers[0] != std::byte{0};
}

std::string GgufContents::text(const std::string& key) const {
  const GgufValue* value = find(key);
  if (value == nullptr || value->array || value->kind != GgufKind::kText) wrong(*this, key, "a text");
  return std::string(value->texts[0]);
}
std::string GgufContents::text(const std::string& key, const std::string& absent) const {
  return find(key) == nullptr ? absent : text(key);
}

const std::vector<std::string_view>& GgufContents::texts(const std::string& key) const {
  const GgufValue* value = find(key);
  if (value == nullptr || !value->array || value->kind != GgufKind::kText) wrong(*this, key, "a list of texts");
  return value->texts;
}

std::vector<int64_t> GgufContents::integers(const std::string& key) const {
  const GgufValue* value = find(key);
  if (value == nullptr || !value->array) wrong(*this, key, "a list of whole numbers");
  std::vector<int64_t> numbers;
  for (uint64_t i = 0; i < value->count; ++i) {
    const auto number = whole(*value, i);
    if (!number) wrong(*this, key, "a list of whole numbers");
    numbers.push_back(*number);
  }
  return numbers;
}

std::vector<float> GgufContents::floats(const std::string& key) const {
  const GgufValue* value = find(key);
  if (value == nullptr || !value->array) wrong(*this, key, "a list of floating-point numbers");
  std::vector<float> numbers;
  for (uint64_t i = 0; i < value->count; ++i) {
    const auto number = real(*value, i);
    if (!number) wrong(*this, key, "a list of floating-point numbers");
    numbers.push_back(static_cast<float>(*number));
  }
  return numbers;
}

const GgufTensor* GgufContents::tensor(const std::string& name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const GgufTensor& t) { return t.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

GgufContents parse_gguf(std::span<const std::byte> bytes, const std::string& where) {
  GgufContents contents;
  contents.where = where;
  Cursor cursor(bytes, where);
  check_magic(cursor, where);
  const uint64_t tensors = cursor.count("tensors", 1), values = cursor.count("values", kSmallestValue);
  for (uint64_t i = 0; i < values; ++i) {
    const std::string key(cursor.text("key"));
    if (!contents.values.emplace(key, read_value(cursor)).second) cursor.fail(fmt::format("key {} occurs twice", key));
  }
  if (tensors > cursor.left() / kSmallestTensor)
    cursor.fail(fmt::format("{} tensors, but only {} bytes are left", tensors, cursor.left()));
  std::vector<TensorExtent> extents;
  std::map<std::string_view, size_t> names;
  contents.tensors.reserve(tensors);
  for (size_t i = 0; i < tensors; ++i) {
    TensorExtent extent{0, 0, i};
    contents.tensors.push_back(read_tensor(cursor, extent.offset, extent.bytes));
    extents.push_back(extent);
  }
  for (const GgufTensor& tensor : contents.tensors)
    if (!names.emplace(tensor.name, 0).second) cursor.fail(fmt::format("tensor {} occurs twice", tensor.name));
  const uint64_t alignment = data_alignment(contents);
  const uint64_t begin = std::min((cursor.at() + alignment - 1) / alignment * alignment, static_cast<uint64_t>(bytes.size()));
  place(contents, std::move(extents), bytes.subspan(begin), alignment);
  return contents;
}

bool is_gguf(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  return file.read(magic, 4) && std::memcmp(magic, "GGUF", 4) == 0;
}

}  // namespace spectra::format
