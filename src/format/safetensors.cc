// SPDX-License-Identifier: Apache-2.0
#include "format/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "format/strict_json.h"

namespace spectra::format {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr const char* kSafetensorsHint = "the file is damaged or incomplete; write or download it again";

/// Where a tensor lies in the data section, bytes.
struct CheckedTensor {
  uint64_t begin, end;
  TensorView view;
};

Error tensor_error(const std::string& where, const std::string& name, const std::string& problem) {
  return bad_input(fmt::format("{}: tensor {}: {}", where, name, problem), kSafetensorsHint);
}

/// The non-negative integers of the array entry[key].
std::vector<uint64_t> integers(const json& entry, const char* key, const std::string& where, const std::string& name) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array()) throw tensor_error(where, name, fmt::format("{} is not an array", key));
  std::vector<uint64_t> values;
  for (const json& value : *found) {
    if (!value.is_number_unsigned() || value.get<uint64_t>() > INT64_MAX)
      throw tensor_error(where, name, fmt::format("{} holds {}, expected a non-negative integer", key, value.dump()));
    values.push_back(value.get<uint64_t>());
  }
  return values;
}

CheckedTensor parse_tensor(const std::string& name, const json& entry, std::span<const std::byte> data, const std::string& where) {
  if (!entry.is_object()) throw tensor_error(where, name, "its header entry is not an object");
  CheckedTensor tensor{};
  tensor.view.name = name;
  const auto dtype = entry.find("dtype");
  if (dtype == entry.end() || !dtype->is_string()) throw tensor_error(where, name, "has no dtype");
  if (!dtype_from_name(dtype->get<std::string>(), tensor.view.dtype))
    throw bad_input(fmt::format("{}: tensor {}: unknown dtype {}", where, name, dtype->get<std::string>()),
                    "known are F64 F32 F16 BF16 I64 I32 I16 I8 U16 U8 BOOL");
  uint64_t bytes = dtype_size(tensor.view.dtype);
  for (const uint64_t extent : integers(entry, "shape", where, name)) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) throw tensor_error(where, name, "its shape overflows 64 bits");
    tensor.view.shape.push_back(static_cast<int64_t>(extent));
  }
  const std::vector<uint64_t> offsets = integers(entry, "data_offsets", where, name);
  if (offsets.size() != 2) throw tensor_error(where, name, "data_offsets is not [begin, end]");
  tensor.begin = offsets[0];
  tensor.end = offsets[1];
  if (tensor.begin > tensor.end || tensor.end > data.size())
    throw tensor_error(
        where, name, fmt::format("bytes {} to {} lie outside the data section of {} bytes", tensor.begin, tensor.end, data.size()));
  if (tensor.end - tensor.begin != bytes)
    throw tensor_error(where, name,
                       fmt::format("dtype and shape need {} bytes, data_offsets give {}", bytes, tensor.end - tensor.begin));
  tensor.view.data = data.subspan(tensor.begin, bytes);
  return tensor;
}

void read_metadata(const json& entry, const std::string& where, std::map<std::string, std::string>* metadata) {
  if (!entry.is_object()) throw bad_input(where + ": __metadata__ is not an object", kSafetensorsHint);
  for (const auto& item : entry.items()) {
    if (!item.value().is_string())
      throw bad_input(fmt::format("{}: __metadata__ {} is not a string", where, item.key()), kSafetensorsHint);
    if (metadata != nullptr) (*metadata)[item.key()] = item.value().get<std::string>();
  }
}

/// Sorts by place and refuses holes and overlaps.
std::vector<TensorView> in_file_order(std::vector<CheckedTensor> tensors, uint64_t data_bytes, const std::string& where) {
  std::stable_sort(tensors.begin(), tensors.end(), [](const CheckedTensor& a, const CheckedTensor& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::vector<TensorView> views;
  uint64_t end = 0;
  for (CheckedTensor& tensor : tensors) {
    if (tensor.begin != end)
      throw tensor_error(
          where, tensor.view.name,
          fmt::format("begins at byte {} of the data section, but the tensor before it ends at {}", tensor.begin, end));
    end = tensor.end;
    views.push_back(std::move(tensor.view));
  }
  if (end != data_bytes)
    throw bad_input(fmt::format("{}: the data section has {} bytes, its tensors {}", where, data_bytes, end), kSafetensorsHint);
  return views;
}

}  // namespace

int64_t TensorView::elements() const {
  return static_cast<int64_t>(data.size() / dtype_size(dtype));  // the parser checked that size and shape agree
}

std::vector<TensorView> parse_safetensors(std::span<const std::byte> bytes, const std::string& where,
                                          std::map<std::string, std::string>* metadata) {
  if (bytes.size() < 8)
    throw bad_input(fmt::format("{}: {} bytes are too few for a safetensors file", where, bytes.size()), kSafetensorsHint);
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), 8);
  if (header_bytes > kMaxHeaderBytes)
    throw bad_input(fmt::format("{}: the header claims {} bytes, the format allows {}", where, header_bytes, kMaxHeaderBytes),
                    "this is not a safetensors file, or it is damaged");
  if (header_bytes > bytes.size() - 8)
    throw bad_input(fmt::format("{}: truncated: the header has {} bytes, the file only {}", where, header_bytes, bytes.size()),
                    kSafetensorsHint);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, header_bytes);
  if (text.empty() || text.front() != '{') throw bad_input(where + ": the header does not start with '{'", kSafetensorsHint);
  const std::span<const std::byte> data = bytes.subspan(8 + header_bytes);

  constexpr int kDepth = 3;  // header, tensor, shape
  const json header = parse_json_object(text, where, kDepth);
  std::vector<CheckedTensor> tensors;
  for (const auto& item : header.items()) {
    if (item.key() == "__metadata__")
      read_metadata(item.value(), where, metadata);
    else
      tensors.push_back(parse_tensor(item.key(), item.value(), data, where));
  }
  return in_file_order(std::move(tensors), data.size(), where);
}

SafetensorsFile::SafetensorsFile(const fs::path& path, Backing backing) : file_(path, backing) {
  tensors_ = parse_safetensors(file_.bytes(), path.string(), &metadata_);
}

}  // namespace spectra::format
