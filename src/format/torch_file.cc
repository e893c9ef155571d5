// SPDX-License-Identifier: Apache-2.0
#include "format/torch_file.h"

#include <cstring>

#include "base/error.h"
#include "format/zip.h"

namespace spectra::format {
namespace {

constexpr const char* kTorchHint = "the file is damaged or incomplete; download or save it again";
constexpr uint64_t kMostPickleBytes = uint64_t{64} << 20;  // a tensor takes some 200
constexpr std::string_view kPickle = "/data.pkl";

std::string_view as_text(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// The archive's own folder: everything before "/data.pkl".
std::string find_stem(const std::vector<ZipEntry>& entries, const std::string& where) {
  for (const ZipEntry& entry : entries)
    if (entry.name.size() > kPickle.size() && entry.name.compare(entry.name.size() - kPickle.size(), kPickle.size(), kPickle) == 0)
      return entry.name.substr(0, entry.name.size() - kPickle.size());
  throw bad_input(where + ": holds no data.pkl", "expected a file that torch.save wrote");
}

}  // namespace

void TorchTensor::read_row(int64_t row, std::byte* out) const {
  const size_t element = dtype_size(view.dtype);
  int64_t at = view.offset;
  for (size_t i = view.shape.empty() ? 0 : view.shape.size() - 1; i-- > 0; row /= view.shape[i])
    at += row % view.shape[i] * view.strides[i];
  const int64_t count = view.shape.empty() ? 1 : view.shape.back(), stride = view.shape.empty() ? 1 : view.strides.back();
  const std::byte* first = storage.data() + static_cast<size_t>(at) * element;
  if (stride == 1) {
    std::memcpy(out, first, static_cast<size_t>(count) * element);
    return;
  }
  for (int64_t c = 0; c < count; ++c)
    std::memcpy(out + static_cast<size_t>(c) * element, first + static_cast<size_t>(c * stride) * element, element);
}

std::vector<TorchTensor> parse_torch_file(std::span<const std::byte> bytes, const std::string& where) {
  if (bytes.size() >= 2 && bytes[0] == std::byte{0x80} && bytes[1] <= std::byte{5})
    throw bad_input(where + ": is a file of PyTorch before 1.6", "load it there and save it again, best as safetensors");
  const std::vector<ZipEntry> entries = parse_zip(bytes, where);
  const std::string stem = find_stem(entries, where);
  std::map<std::string_view, std::span<const std::byte>> data;
  for (const ZipEntry& entry : entries) data[entry.name] = entry.data;
  if (const auto order = data.find(stem + "/byteorder"); order != data.end() && as_text(order->second) != "little")
    throw bad_input(where + ": is of a big-endian machine", "save it on a little-endian one");
  const std::string_view pickle = as_text(data.at(stem + std::string(kPickle)));
  if (pickle.size() > kMostPickleBytes)
    throw bad_input(fmt::format("{}: its pickle has {} bytes", where, pickle.size()), kTorchHint);

  std::vector<TorchTensor> tensors;
  for (PickledTensor& view : unpickle_tensors(pickle, where)) {
    const auto storage = data.find(stem + "/data/" + view.storage);
    if (storage == data.end())
      throw bad_input(fmt::format("{}: tensor {}: storage {} is missing", where, view.name, view.storage), kTorchHint);
    if (static_cast<uint64_t>(view.numel) > storage->second.size() / dtype_size(view.dtype))
      throw bad_input(fmt::format("{}: tensor {}: storage {} has {} bytes, {} elements of {} are said to be in it", where,
                                  view.name, view.storage, storage->second.size(), view.numel, dtype_name(view.dtype)),
                      kTorchHint);
    tensors.push_back({std::move(view), storage->second});
  }
  return tensors;
}

}  // namespace spectra::format
