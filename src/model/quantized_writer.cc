// SPDX-License-Identifier: Apache-2.0
#include "model/quantized_writer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/half.h"
#include "base/system.h"
#include "lowbit/words.h"
#include "model/quantized_tensors.h"
#include "model/repack.h"

namespace spectra::model {
namespace {

using format::SafetensorsWriter;
using lowbit::QuantizedMatrix;
using lowbit::Words;
using Shared = std::shared_ptr<QuantizedMatrix>;

/// What `source` gives, checked against what was announced.
QuantizedMatrix checked(QuantizedMatrix m, const Parameter& p, const QuantizationInfo& info) {
  const int limit = 1 << (info.bits - 1);
  SPECTRA_CHECK(m.rows == p.rows && m.cols == p.cols && m.bits == info.bits, "{}: ({}, {}) of {} bits", p.name, m.rows, m.cols,
                m.bits);
  SPECTRA_CHECK(m.group_size == (info.group_size == 0 ? p.cols : info.group_size), "{}: groups of {}", p.name, m.group_size);
  SPECTRA_CHECK(
      m.codes.size() == static_cast<size_t>(m.rows * m.cols) && m.scales.size() == static_cast<size_t>(m.rows * m.groups()),
      "{}: {} codes, {} scales", p.name, m.codes.size(), m.scales.size());
  for (const int8_t code : m.codes) SPECTRA_CHECK(code >= -limit && code < limit, "{}: code {}", p.name, code);
  for (const float scale : m.scales)
    SPECTRA_CHECK(std::isfinite(scale) && round_to_fp16(scale) == scale, "{}: scale {}", p.name, scale);
  return m;
}

/// Codes as stored: code + 2^(bits - 1).
std::vector<uint8_t> unsigned_codes(const QuantizedMatrix& m) {
  std::vector<uint8_t> u(m.codes.size());
  std::transform(m.codes.begin(), m.codes.end(), u.begin(),
                 [&](int8_t code) { return static_cast<uint8_t>(code + (1 << (m.bits - 1))); });
  return u;
}

/// Row by row (compressed-tensors), words of a row side by side.
std::vector<uint32_t> words_by_rows(const QuantizedMatrix& m, const std::vector<uint8_t>& u) {
  const int64_t words = lowbit::word_count(Words::kWhole, m.bits, m.cols);
  std::vector<uint32_t> packed(static_cast<size_t>(m.rows * words));
  for (int64_t r = 0; r < m.rows; ++r)
    lowbit::write_words(Words::kWhole, m.bits, u.data() + r * m.cols, m.cols, packed.data() + r * words);
  return packed;
}

/// Transposed (GPTQ): each row is a column of words.
std::vector<uint32_t> words_by_columns(const QuantizedMatrix& m, const std::vector<uint8_t>& u) {
  std::vector<uint32_t> packed(static_cast<size_t>(lowbit::word_count(Words::kStream, m.bits, m.cols) * m.rows));
  for (int64_t r = 0; r < m.rows; ++r)
    lowbit::write_words(Words::kStream, m.bits, u.data() + r * m.cols, m.cols, packed.data() + r, m.rows);
  return packed;
}

/// The promise of packing: every code comes back.
void verify(const QuantizedMatrix& m, const std::vector<uint8_t>& u, const std::vector<uint32_t>& packed, bool by_rows,
            const std::string& name) {
  std::vector<uint8_t> back(static_cast<size_t>(m.cols));
  const auto* bytes = reinterpret_cast<const std::byte*>(packed.data());
  const int64_t words = lowbit::word_count(Words::kWhole, m.bits, m.cols);
  for (int64_t r = 0; r < m.rows; ++r) {
    if (by_rows)
      lowbit::read_words(Words::kWhole, m.bits, bytes + 4 * r * words, m.cols, back.data());
    else
      lowbit::read_words(Words::kStream, m.bits, bytes + 4 * r, m.cols, back.data(), m.rows);
    SPECTRA_CHECK(std::equal(back.begin(), back.end(), u.begin() + r * m.cols), "{}: row {} came back otherwise", name, r);
  }
}

template <class T>
void put(SafetensorsWriter& writer, const std::vector<T>& values) {
  writer.write(values.data(), values.size() * sizeof(T));
}

/// Scales (rows, groups), or (groups, rows), as fp16.
std::vector<fp16> stored_scales(const QuantizedMatrix& m, bool transposed) {
  std::vector<fp16> stored(m.scales.size());
  for (int64_t r = 0; r < m.rows; ++r)
    for (int64_t g = 0; g < m.groups(); ++g)
      stored[static_cast<size_t>(transposed ? g * m.rows + r : r * m.groups() + g)] =
          to_fp16(m.scales[static_cast<size_t>(r * m.groups() + g)]);
  return stored;
}

/// The output that asks `source` for the matrix and writes its codes as words. Scales wait in `matrix` for their turn.
TensorOutput codes_output(const Parameter& p, const QuantizationInfo& info, const QuantizedSource& source, bool by_rows,
                          const std::string& name, const Shared& matrix) {
  const int64_t words = lowbit::word_count(by_rows ? Words::kWhole : Words::kStream, info.bits, p.cols);
  const std::vector<int64_t> shape = by_rows ? std::vector<int64_t>{p.rows, words} : std::vector<int64_t>{words, p.rows};
  return {{name, DType::kI32, shape}, [=](SafetensorsWriter& writer) {
            *matrix = checked(source(p.name), p, info);
            const std::vector<uint8_t> u = unsigned_codes(*matrix);
            const std::vector<uint32_t> packed = by_rows ? words_by_rows(*matrix, u) : words_by_columns(*matrix, u);
            verify(*matrix, u, packed, by_rows, p.name);
            matrix->codes = {};
            put(writer, packed);
          }};
}

TensorOutput scales_output(const std::string& name, int64_t rows, int64_t groups, bool transposed, const Shared& matrix) {
  const std::vector<int64_t> shape = transposed ? std::vector<int64_t>{groups, rows} : std::vector<int64_t>{rows, groups};
  return {{name, DType::kF16, shape}, [=](SafetensorsWriter& writer) {
            put(writer, stored_scales(*matrix, transposed));
            matrix->scales = {};
          }};
}

std::vector<TensorOutput> compressed_outputs(const Parameter& p, const QuantizationInfo& info, const QuantizedSource& source) {
  const QuantizedNames names = quantized_names(QuantizedFormat::kCompressedTensors, p.name);
  const auto matrix = std::make_shared<QuantizedMatrix>();
  const int64_t groups = info.group_size == 0 ? 1 : p.cols / info.group_size;
  return {codes_output(p, info, source, true, names.codes, matrix),
          scales_output(names.scale, p.rows, groups, false, matrix),
          {{names.shape, DType::kI64, {2}}, [=](SafetensorsWriter& writer) {
             put(writer, std::vector<int64_t>{p.rows, p.cols});
           }}};
}

std::vector<TensorOutput> gptq_outputs(const Parameter& p, const QuantizationInfo& info, const QuantizedSource& source) {
  const QuantizedNames names = quantized_names(QuantizedFormat::kGptq, p.name);
  const auto matrix = std::make_shared<QuantizedMatrix>();
  const int64_t size = info.group_size == 0 ? p.cols : info.group_size, groups = p.cols / size;
  const int64_t words = lowbit::word_count(Words::kStream, info.bits, p.rows);
  const auto zeros = [=](SafetensorsWriter& writer) {
    const auto zero = static_cast<uint8_t>((1 << (info.bits - 1)) - 1);  // readers of this version add 1
    const std::vector<uint8_t> of_rows(static_cast<size_t>(p.rows), zero);
    std::vector<uint32_t> packed(static_cast<size_t>(words * groups));
    for (int64_t g = 0; g < groups; ++g)
      lowbit::write_words(Words::kStream, info.bits, of_rows.data(), p.rows, packed.data() + g * words);
    put(writer, packed);
  };
  const auto order = [=](SafetensorsWriter& writer) {
    std::vector<int32_t> group_of(static_cast<size_t>(p.cols));
    for (int64_t c = 0; c < p.cols; ++c) group_of[static_cast<size_t>(c)] = static_cast<int32_t>(c / size);
    put(writer, group_of);
  };
  return {codes_output(p, info, source, false, names.codes, matrix),
          {{names.zero, DType::kI32, {groups, words}}, zeros},
          {{names.group, DType::kI32, {p.cols}}, order},
          scales_output(names.scale, p.rows, groups, true, matrix)};
}

TensorOutput unpacked_output(const Parameter& p, const QuantizationInfo& info, const QuantizedSource& source) {
  return {{p.name, DType::kF16, {p.rows, p.cols}}, [=](SafetensorsWriter& writer) {
            const QuantizedMatrix m = checked(source(p.name), p, info);
            std::vector<fp16> row(static_cast<size_t>(m.cols));
            for (int64_t r = 0; r < m.rows; ++r) {
              for (int64_t c = 0; c < m.cols; ++c) {
                const int8_t code = m.codes[static_cast<size_t>(r * m.cols + c)];
                const float scale = m.scales[static_cast<size_t>(r * m.groups() + c / m.group_size)];
                const float weight = code == 0 ? 0.0f : scale * static_cast<float>(code);
                row[static_cast<size_t>(c)] = to_fp16(weight);
                if (!std::isfinite(to_float(row[static_cast<size_t>(c)])))
                  throw bad_input(fmt::format("{}: weight {} of row {} is beyond fp16", p.name, weight, r),
                                  "the packed formats hold it: choose compressed-tensors");
              }
              put(writer, row);
            }
          }};
}

/// Names that linear parameters have in the source and the packed formats: not to be copied.
std::set<std::string> linear_names(const std::vector<Parameter>& all) {
  std::set<std::string> names;
  for (const Parameter& p : all) {
    if (p.role != Role::kLinear) continue;
    names.insert(p.name);
    for (const QuantizedFormat format : {QuantizedFormat::kCompressedTensors, QuantizedFormat::kGptq}) {
      const QuantizedNames n = quantized_names(format, p.name);
      names.insert({n.codes, n.scale, n.zero, n.group, n.shape});
    }
    names.insert(p.name.substr(0, p.name.rfind('.')) + ".bias");  // zeros, where GPTQ writers store one
  }
  return names;
}

TensorOutput copied(const format::TensorView& view) {
  return {{view.name, view.dtype, view.shape},
          [&view](SafetensorsWriter& writer) { writer.write(view.data.data(), view.data.size()); }};
}

std::vector<TensorOutput> all_outputs(const format::ModelDirectory& directory, const Config& config, QuantizedFormat format,
                                      const QuantizationInfo& info, const QuantizedSource& source) {
  const std::vector<Parameter> all = parameters(config);
  std::set<std::string> placed = linear_names(all);
  for (const Parameter& p : all)
    if (p.role == Role::kBias) placed.erase(p.name);  // a bias of the model, not a writer's zeros
  std::vector<TensorOutput> outputs;
  for (const Parameter& p : all) {
    if (p.role == Role::kLinear) {
      for (TensorOutput& output : quantized_outputs(p, format, info, source)) outputs.push_back(std::move(output));
    } else if (placed.insert(p.name).second) {
      outputs.push_back(copied(directory.get(p.name)));
    }
  }
  for (const format::TensorView* view : directory.tensors())
    if (placed.count(view->name) == 0) outputs.push_back(copied(*view));
  return outputs;
}

std::string config_text(const format::ModelDirectory& directory, QuantizedFormat format, const QuantizationInfo& info) {
  auto document = nlohmann::ordered_json::parse(directory.config_json());
  document.erase("quantization_config");
  document["torch_dtype"] = "float16";  // what scales and unpacked weights are
  if (document.contains("spectra_family")) document["spectra_family"] = family_name(Family::kFloat);
  if (format != QuantizedFormat::kUnpacked)
    document["quantization_config"] = nlohmann::ordered_json::parse(quantization_config_json(format, info));
  return document.dump(2) + "\n";
}

Error cannot_hold(QuantizedFormat format, const std::string& what, const std::string& others) {
  return Error(Exit::kUsage, fmt::format("{} cannot hold {}", quantized_format_name(format), what), others);
}

}  // namespace

void check_quantized_format(QuantizedFormat format, const QuantizationInfo& info, const Config& config) {
  SPECTRA_CHECK(info.bits == 3 || info.bits == 4 || info.bits == 6 || info.bits == 8, "bits={}", info.bits);
  constexpr const char* kOthers = "choose compressed-tensors or unpacked";
  if (format == QuantizedFormat::kGptq && info.bits == 6)
    throw cannot_hold(format, "6 bits", "it has 3, 4 and 8 bits; compressed-tensors and unpacked hold 3, 4, 6 and 8");
  for (const Parameter& p : parameters(config)) {
    if (p.role != Role::kLinear) continue;
    if (info.group_size != 0 && p.cols % info.group_size != 0)
      throw Error(Exit::kUsage, fmt::format("{} has {} columns, which are no whole groups of {}", p.name, p.cols, info.group_size),
                  "choose another group size, or one scale a row");
    if (format == QuantizedFormat::kGptq && (p.cols * info.bits % 32 != 0 || p.rows * info.bits % 32 != 0))
      throw cannot_hold(format, fmt::format("{} ({} x {}): {} bits a weight are no whole words", p.name, p.rows, p.cols, info.bits),
                        kOthers);
  }
}

std::vector<TensorOutput> quantized_outputs(const Parameter& parameter, QuantizedFormat format, const QuantizationInfo& info,
                                            const QuantizedSource& source) {
  switch (format) {
    case QuantizedFormat::kCompressedTensors:
      return compressed_outputs(parameter, info, source);
    case QuantizedFormat::kGptq:
      return gptq_outputs(parameter, info, source);
    case QuantizedFormat::kUnpacked:
      return {unpacked_output(parameter, info, source)};
  }
  SPECTRA_CHECK(false, "format {}", static_cast<int>(format));
}

std::string write_outputs(const fs::path& file, std::vector<TensorOutput> outputs) {
  std::stable_sort(outputs.begin(), outputs.end(), [](const TensorOutput& a, const TensorOutput& b) {
    return dtype_size(a.entry.dtype) > dtype_size(b.entry.dtype);
  });
  std::vector<SafetensorsWriter::Entry> entries;
  for (const TensorOutput& output : outputs) entries.push_back(output.entry);
  SafetensorsWriter writer(file, entries);
  for (const TensorOutput& output : outputs) {
    check_interrupted("nothing was written");
    output.write(writer);
  }
  return writer.close();
}

void write_quantized_model(const fs::path& source_model, const fs::path& out, QuantizedFormat format, const QuantizationInfo& info,
                           const QuantizedSource& source) {
  require_new_directory(out);
  const format::ModelDirectory directory(source_model);
  const Config config = config_from_json(directory.config_json(), (source_model / "config.json").string());
  check_quantized_format(format, info, config);
  std::vector<TensorOutput> outputs = all_outputs(directory, config, format, info, source);
  uint64_t bytes = 0;
  for (const TensorOutput& output : outputs) bytes += format::entry_bytes(output.entry);
  require_disk(bytes, out, "the quantized model");

  AtomicDirectory target(out);
  const std::string sha256 = write_outputs(target.path() / "model.safetensors", std::move(outputs));
  write_file(target.path() / "config.json", config_text(directory, format, info));
  if (format == QuantizedFormat::kGptq)  // older readers look here
    write_file(target.path() / "quantize_config.json",
               nlohmann::ordered_json::parse(quantization_config_json(format, info)).dump(2) + "\n");
  finish_directory(
      directory, target.path(), sha256,
      nlohmann::ordered_json{{"quantization", nlohmann::ordered_json::parse(quantization_provenance_json(format, info))}}.dump());
  target.commit();
}

}  // namespace spectra::model
