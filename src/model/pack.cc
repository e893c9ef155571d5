// SPDX-License-Identifier: Apache-2.0
#include "model/pack.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/system.h"
#include "model/packed_tensors.h"
#include "model/quantized_config.h"
#include "model/repack.h"

namespace spectra::model {
namespace {

/// A linear matrix on its way from file to file.
struct Packing {
  const format::TensorView* source;
  Parameter parameter;
  lowbit::Codes found;  ///< without the codes, once they are packed
  std::vector<uint8_t> packed;
  int64_t zeros = 0;
};

const format::TensorView& checked_source(const format::ModelDirectory& directory, const Parameter& parameter) {
  const format::TensorView& view = directory.get(parameter.name);
  const bool floats = view.dtype == DType::kF16 || view.dtype == DType::kBf16 || view.dtype == DType::kF32;
  if (!floats || view.shape != tensor_shape(parameter))
    throw bad_input(
        fmt::format("{}: tensor {} is {} [{}], expected F16, BF16 or F32 [{}, {}]", directory.path().string(), parameter.name,
                    dtype_name(view.dtype), fmt::join(view.shape, ", "), parameter.rows, parameter.cols),
        "its config.json describes another model, or it is quantized in a way that cannot be packed");
  return view;
}

/// The promise of packing: the bits of `w` come back. Zeros of either sign are one value (lowbit::Codes::negative_zeros).
void verify(const Packing& packing, lowbit::Format format, const std::vector<float>& w) {
  const lowbit::Codes& found = packing.found;
  const auto cols = static_cast<size_t>(found.cols);
  lowbit::Codes row{1, found.cols, ShardAxis::kColumns, {0, found.cols}, {0.0f}, std::vector<int8_t>(cols), 0};
  if (found.axis == ShardAxis::kColumns) row.bounds = found.bounds, row.scales = found.scales;
  std::vector<float> back(cols);
  const lowbit::Layout layout = lowbit::make_layout(format, found.rows, found.cols, found.axis, found.bounds);
  std::vector<int8_t> tile(cols * lowbit::kTileRows);
  size_t shard = 0;
  for (int64_t r = 0; r < found.rows; ++r) {
    if (found.axis == ShardAxis::kRows) {
      while (found.bounds[shard + 1] <= r) ++shard;
      row.scales[0] = found.scales[shard];
    }
    const int64_t in_tile = r % lowbit::kTileRows, index = r / lowbit::kTileRows;
    if (in_tile == 0) lowbit::unpack_tile(layout, index, packing.packed.data() + index * layout.tile_bytes(), tile.data());
    std::copy_n(tile.data() + in_tile * found.cols, cols, row.codes.data());
    lowbit::expand(row, back.data());
    for (size_t c = 0; c < cols; ++c) {
      const float source = w[static_cast<size_t>(r) * cols + c] + 0.0f;  // -0 + 0 = +0
      SPECTRA_CHECK(std::memcmp(&source, &back[c], sizeof(float)) == 0, "{} [{}, {}]: {} came back as {}", packing.parameter.name,
                    r, c, source, back[c]);
    }
  }
}

void pack_matrix(Packing& packing, lowbit::Format format, int64_t shards) {
  const Parameter& parameter = packing.parameter;
  std::vector<float> w(static_cast<size_t>(parameter.rows * parameter.cols));
  format::read_floats(*packing.source, w.data());
  packing.found = lowbit::find_codes(w.data(), parameter.rows, parameter.cols, parameter.axis, shards,
                                     format == lowbit::Format::kBin1, parameter.name);
  const lowbit::Layout layout =
      lowbit::make_layout(format, parameter.rows, parameter.cols, packing.found.axis, packing.found.bounds);
  packing.packed.resize(static_cast<size_t>(layout.bytes()));
  for (int64_t t = 0; t < layout.tiles(); ++t)
    lowbit::pack_tile(layout, t, packing.found.codes.data() + t * lowbit::kTileRows * parameter.cols,
                      packing.packed.data() + t * layout.tile_bytes());
  packing.zeros = std::count(packing.found.codes.begin(), packing.found.codes.end(), int8_t{0});
  packing.found.codes = {};
  verify(packing, format, w);
}

std::vector<Packing> pack_all(const format::ModelDirectory& directory, const Config& config, lowbit::Format format, int threads) {
  std::vector<Packing> all;
  uint64_t packed = 0, largest = 0;
  for (const Parameter& parameter : parameters(config)) {
    if (parameter.role != Role::kLinear) continue;
    all.push_back({&checked_source(directory, parameter), parameter, {}, {}, 0});
    if (all.back().source->dtype != all.front().source->dtype)
      throw bad_input(fmt::format("{}: {} is {}, {} is {}", directory.path().string(), all.front().parameter.name,
                                  dtype_name(all.front().source->dtype), parameter.name, dtype_name(all.back().source->dtype)),
                      "linear matrices of one model must have one type, so that unpacking can give it back");
    packed += static_cast<uint64_t>(packed_shape(parameter, format, config.shards).layout.bytes());
    largest = std::max(largest, static_cast<uint64_t>(parameter.rows * parameter.cols) * (sizeof(float) + sizeof(int8_t)));
  }
  const int workers = threads > 0 ? threads : cpu_count();
  require_memory(packed + largest * static_cast<uint64_t>(workers), "packing", "use fewer --threads");
  Progress progress("packing", all.size());
  std::mutex mutex;
  uint64_t done = 0;
  parallel_for(
      all.size(),
      [&](size_t i) {
        check_interrupted("nothing was written");
        pack_matrix(all[i], format, config.shards);
        const std::lock_guard lock(mutex);
        progress.update(++done, all[i].parameter.name);
      },
      workers);
  return all;
}

std::vector<PackedGroup> summarize(const std::vector<Packing>& all) {
  std::vector<PackedGroup> groups;
  for (const Packing& packing : all) {
    const std::string name = projection_name(packing.parameter.slot), axis = lowbit::shard_axis_name(packing.found.axis);
    auto group = std::find_if(groups.begin(), groups.end(), [&](const PackedGroup& g) { return g.projection == name; });
    if (group == groups.end()) {
      groups.push_back({name, 0, packing.parameter.rows, packing.parameter.cols, 0, axis, 0, 0, 0});
      group = groups.end() - 1;
    }
    const auto shards = static_cast<int64_t>(packing.found.scales.size());
    ++group->matrices;
    group->shards = std::max(group->shards, shards);
    if (group->axis != axis) group->axis = "mixed";
    group->zeros += packing.zeros;
    group->bytes_before += packing.source->data.size();
    group->bytes_after +=
        packing.packed.size() + static_cast<uint64_t>(shards) * sizeof(float) + static_cast<uint64_t>(shards + 1) * sizeof(int32_t);
  }
  return groups;
}

/// The source's config.json with the packed format in it, and with what packing has found out: family and type of the weights.
std::string packed_config(const format::ModelDirectory& directory, Config config, lowbit::Format format,
                          const std::vector<Packing>& all) {
  if (format == lowbit::Format::kBin1) config.family = Family::kBinary;
  if (config.family == Family::kFloat) config.family = Family::kTernary;
  std::map<std::string, ShardAxis> axes;
  for (const Packing& packing : all)
    if (packing.found.axis != packing.parameter.axis) axes[packing.parameter.name] = packing.found.axis;
  const std::string dtype = torch_dtype(all.front().source->dtype);
  const auto wanted = nlohmann::ordered_json::parse(config_to_json(config, dtype, lowbit::format_name(format), axes));
  auto document = nlohmann::ordered_json::parse(directory.config_json());
  for (const char* key : {"torch_dtype", "spectra_family", "quantization_config"}) document[key] = wanted.at(key);
  return document.dump(2) + "\n";
}

std::string write_weights(const format::ModelDirectory& directory, const Config& config, const fs::path& file,
                          lowbit::Format format, const std::vector<Packing>& all) {
  std::vector<PackedShape> shapes;
  for (const Packing& packing : all)
    shapes.push_back(
        {lowbit::make_layout(format, packing.parameter.rows, packing.parameter.cols, packing.found.axis, packing.found.bounds),
         static_cast<int64_t>(packing.found.scales.size())});
  std::vector<format::SafetensorsWriter::Entry> entries = packed_entries(parameters(config), shapes, DType::kF16);
  std::set<std::string> placed;
  for (const Packing& packing : all) placed.insert(packing.parameter.name);
  for (auto& entry : entries) {
    placed.insert(entry.name);
    if (const format::TensorView* view = directory.find(entry.name)) entry.dtype = view->dtype, entry.shape = view->shape;
  }
  for (const format::TensorView* view : directory.tensors())  // those that the architecture does not know: buffers of older exports
    if (placed.count(view->name) == 0) entries.push_back({view->name, view->dtype, view->shape});

  format::SafetensorsWriter writer(file, entries);
  for (const Packing& packing : all) writer.write(packing.packed.data(), packing.packed.size());
  for (const Packing& packing : all) {
    const std::vector<int32_t> bounds(packing.found.bounds.begin(), packing.found.bounds.end());
    writer.write(packing.found.scales.data(), packing.found.scales.size() * sizeof(float));
    writer.write(bounds.data(), bounds.size() * sizeof(int32_t));
  }
  for (size_t i = 3 * all.size(); i < entries.size(); ++i) {
    const format::TensorView& view = directory.get(entries[i].name);
    writer.write(view.data.data(), view.data.size());
  }
  return writer.close();
}

/// Counts the matrices whose scales are not as many as pretraining_model_parallel says, and tells: config.json and weights
/// disagree.
int64_t count_other_shards(const std::vector<Packing>& all, int64_t expected) {
  int64_t count = 0;
  const Packing* first = nullptr;
  for (const Packing& packing : all) {
    if (static_cast<int64_t>(packing.found.scales.size()) == expected) continue;
    if (first == nullptr) first = &packing;
    ++count;
  }
  if (first != nullptr)
    log_warning(
        "config.json says {} scales a matrix (pretraining_model_parallel), but {} of {} matrices have others: {} has {}; kept as "
        "found",
        expected, count, all.size(), first->parameter.name, first->found.scales.size());
  return count;
}

}  // namespace

PackReport pack_model(const fs::path& source, const fs::path& out, lowbit::Format format, bool verify_checksums, int threads) {
  require_new_directory(out);
  const format::ModelDirectory directory(source);
  const std::string where = (source / "config.json").string();
  const Config config = config_from_json(directory.config_json(), where);
  if (!packed_format_from_json(directory.config_json()).empty())
    throw bad_input(fmt::format("{} is packed already, as {}", source.string(), packed_format_from_json(directory.config_json())),
                    "unpack it first to pack it differently");
  if (const auto quantized = quantized_config_from_json(directory.config_json(), where))
    throw bad_input(
        fmt::format("{} is quantized to {} bits ({})", source.string(), quantized->bits, quantized_format_name(quantized->format)),
        "pack is for ternary and binary models; quantized ones are small as they are");
  PackReport report;
  report.checksums_verified = check_source(directory, verify_checksums);
  const std::vector<Packing> all = pack_all(directory, config, format, threads);
  report.groups = summarize(all);
  report.bytes_before = report.bytes_after = tensor_bytes(directory);
  for (const PackedGroup& group : report.groups) report.bytes_after = report.bytes_after - group.bytes_before + group.bytes_after;
  for (const Packing& packing : all) report.negative_zeros += packing.found.negative_zeros;
  report.other_shards = count_other_shards(all, config.shards);

  require_disk(report.bytes_after, out, "the packed model");
  AtomicDirectory target(out);
  const std::string sha256 = write_weights(directory, config, target.path() / "model.safetensors", format, all);
  write_file(target.path() / "config.json", packed_config(directory, config, format, all));
  finish_directory(directory, target.path(), sha256);
  target.commit();
  return report;
}

}  // namespace spectra::model
