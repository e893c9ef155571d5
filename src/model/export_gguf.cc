// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/system.h"
#include "format/gguf.h"
#include "lowbit/packed.h"
#include "model/convert.h"
#include "model/gguf_model.h"
#include "model/repack.h"
#include "model/rope_order.h"
#include "model/weight_rows.h"
#include "text/gguf_tokenizer.h"

namespace spectra::model {
namespace {

using format::GgmlType;

constexpr int64_t kPartWeights = int64_t{1} << 22;  // of a matrix that are in memory at once
constexpr int64_t kStripRows = 16;                  // of one thread at a time

bool same_type(DType dtype, GgmlType type) {
  return (dtype == DType::kF32 && type == GgmlType::kF32) || (dtype == DType::kF16 && type == GgmlType::kF16) ||
         (dtype == DType::kBf16 && type == GgmlType::kBf16);
}
bool is_quantized(GgmlType type) { return format::ggml_type(type).block > 1; }
bool is_ternary_type(GgmlType type) { return type == GgmlType::kTq1_0 || type == GgmlType::kTq2_0; }

class Exporter {
 public:
  Exporter(const format::ModelDirectory& directory, GgmlType type, int threads)
      : rows_(directory), type_(type), threads_(threads) {}

  const Config& config() const { return rows_.config(); }
  ConvertReport& report() { return report_; }

  /// The type that `parameter` is stored as; notes where it is not the wanted one.
  GgmlType choose(const Parameter& parameter) {
    const WeightRows::Matrix matrix = rows_.matrix(parameter);
    if (parameter.role == Role::kNorm) return GgmlType::kF32;
    if (parameter.role != Role::kLinear)
      return !is_quantized(type_) ? type_ : matrix.dtype() == DType::kBf16 ? GgmlType::kBf16 : GgmlType::kF16;
    const GgmlType chosen = choose_linear(parameter, matrix);
    matrix.release();
    return chosen;
  }

  void write(const Parameter& parameter, GgmlType type, format::GgufWriter& writer) {
    const WeightRows::Matrix matrix = rows_.matrix(parameter);
    const auto row_bytes = static_cast<size_t>(format::ggml_row_bytes(type, parameter.cols));
    const int64_t part = std::max<int64_t>(1, kPartWeights / parameter.cols);
    std::vector<std::byte> bytes(static_cast<size_t>(std::min(part, parameter.rows)) * row_bytes);
    Difference difference;
    std::mutex mutex;
    for (int64_t begin = 0; begin < parameter.rows; begin += part) {
      check_interrupted("nothing was written");
      const int64_t count = std::min(part, parameter.rows - begin);
      each_strip(count, [&](int64_t first, int64_t last) {
        const Difference own =
            encode(parameter, matrix, type, begin + first, begin + last, bytes.data() + static_cast<size_t>(first) * row_bytes);
        const std::lock_guard lock(mutex);
        difference.add(own);
      });
      writer.write(bytes.data(), static_cast<size_t>(count) * row_bytes);
    }
    matrix.release();
    if (difference.weights > 0) report_.rounded.push_back({gguf_name(parameter), difference});
    ++report_.types[format::ggml_type(type).name];
    report_.parameters += parameter.rows * parameter.cols;
    report_.bytes += static_cast<uint64_t>(parameter.rows) * row_bytes;
  }

 private:
  /// Calls work(first, last) for strips of rows [0, count).
  template <class Work>
  void each_strip(int64_t count, const Work& work) const {
    const auto strips = static_cast<size_t>((count + kStripRows - 1) / kStripRows);
    parallel_for(
        strips,
        [&](size_t i) {
          const int64_t first = static_cast<int64_t>(i) * kStripRows;
          work(first, std::min(first + kStripRows, count));
        },
        threads_);
  }

  /// Row `row` of the file is this row of the model.
  int64_t source_row(const Parameter& parameter, int64_t row) const {
    return gguf_reorders_rows(parameter) ? half_split_row(row, config().head_dim()) : row;
  }

  /// Rows [first, last) of the file.
  Difference encode(const Parameter& parameter, const WeightRows::Matrix& matrix, GgmlType type, int64_t first, int64_t last,
                    std::byte* out) const {
    Difference difference;
    const int64_t cols = parameter.cols, row_bytes = format::ggml_row_bytes(type, cols);
    std::vector<float> wanted(static_cast<size_t>(cols)), found(wanted.size());
    for (int64_t r = first; r < last; ++r, out += row_bytes) {
      const int64_t source = source_row(parameter, r);
      if (const auto stored = matrix.stored(source); !stored.empty() && same_type(matrix.dtype(), type)) {
        std::copy(stored.begin(), stored.end(), out);
        continue;
      }
      matrix.read(source, wanted.data());
      check_finite(parameter, source, wanted, type, "is no number");
      format::ggml_encode(type, wanted.data(), cols, out);
      format::ggml_decode(type, out, cols, found.data());
      check_finite(parameter, source, found, type, "is too large for this type");
      difference.see(wanted.data(), found.data(), cols);
    }
    return difference;
  }

  static void check_finite(const Parameter& parameter, int64_t row, const std::vector<float>& values, GgmlType type,
                           const char* why) {
    if (std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) return;
    throw bad_input(fmt::format("{}: a weight of row {} {}", parameter.name, row, why),
                    fmt::format("it cannot be written as {}; f32 and bf16 hold larger numbers", format::ggml_type(type).name));
  }

  /// Whether the matrix comes back bit for bit (zeros of either sign are one).
  bool holds(const Parameter& parameter, const WeightRows::Matrix& matrix, GgmlType type) const {
    if (parameter.cols % format::ggml_type(type).block != 0) return false;
    if (same_type(matrix.dtype(), type) || type == GgmlType::kF32) return true;
    std::atomic<bool> exact{true};
    each_strip(parameter.rows, [&](int64_t first, int64_t last) {
      std::vector<float> wanted(static_cast<size_t>(parameter.cols)), found(wanted.size());
      std::vector<std::byte> bytes(static_cast<size_t>(format::ggml_row_bytes(type, parameter.cols)));
      for (int64_t r = first; r < last && exact; ++r) {
        matrix.read(r, wanted.data());
        check_finite(parameter, r, wanted, type, "is no number");
        format::ggml_encode(type, wanted.data(), parameter.cols, bytes.data());
        format::ggml_decode(type, bytes.data(), parameter.cols, found.data());
        if (wanted != found) exact = false;
      }
    });
    return exact;
  }

  /// Empty for a low-bit matrix, else why it is none.
  std::string why_not_low_bit(const Parameter& parameter, const WeightRows::Matrix& matrix) const {
    if (rows_.packed()) return "";
    std::vector<float> w(static_cast<size_t>(parameter.rows * parameter.cols));
    for (int64_t r = 0; r < parameter.rows; ++r) matrix.read(r, w.data() + r * parameter.cols);
    try {
      lowbit::find_codes(w.data(), parameter.rows, parameter.cols, parameter.axis, config().shards, false, parameter.name);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  GgmlType choose_linear(const Parameter& parameter, const WeightRows::Matrix& matrix) {
    if (holds(parameter, matrix, type_)) return type_;
    const format::GgmlTypeInfo& info = format::ggml_type(type_);
    const std::string why = why_not_low_bit(parameter, matrix);
    if (!why.empty() && is_ternary_type(type_))
      throw bad_input(
          why, fmt::format("{} holds ternary and binary weights only; for others choose q8_0, q6_k, q4_0 or f16", info.name));
    if (parameter.cols % info.block != 0)
      return substitute(parameter, matrix, !why.empty(),
                        fmt::format("rows of {} weights are no whole blocks of {}", parameter.cols, info.block));
    if (!why.empty()) return type_;  // a float matrix: rounding it is what was asked for
    return substitute(parameter, matrix, false,
                      is_quantized(type_)
                          ? fmt::format("a block of {} weights has two scales, or one that is no fp16 number", info.block)
                          : fmt::format("its scales are no {} numbers", info.name));
  }

  /// A low-bit matrix gets a type that holds it; others (`may_round`) F16.
  GgmlType substitute(const Parameter& parameter, const WeightRows::Matrix& matrix, bool may_round, const std::string& reason) {
    GgmlType type = GgmlType::kF16;
    if (matrix.dtype() == DType::kBf16) type = GgmlType::kBf16;
    if (type == GgmlType::kF16 && !may_round && !holds(parameter, matrix, type)) type = GgmlType::kF32;
    report_.substitutes.push_back({gguf_name(parameter), format::ggml_type(type).name, reason});
    return type;
  }

  WeightRows rows_;
  GgmlType type_;
  int threads_;
  ConvertReport report_;
};

text::GgufTokenizer load_tokenizer(const format::ModelDirectory& directory, const fs::path& given, const Config& config) {
  if (given.empty() && !fs::exists(directory.path() / "tokenizer.json"))
    throw bad_input(fmt::format("{} holds no tokenizer.json, and a GGUF file needs a tokenizer", directory.path().string()),
                    "give one with --tokenizer");
  text::GgufTokenizer tokenizer =
      text::gguf_tokenizer(text::Tokenizer::load(given.empty() ? directory.path() : given), config.vocab);
  if (config.bos >= 0) tokenizer.bos = config.bos;
  if (config.eos >= 0) tokenizer.eos = config.eos;
  return tokenizer;
}

std::string model_name(const fs::path& path) {
  const fs::path clean = fs::absolute(path).lexically_normal();
  return (clean.has_filename() ? clean : clean.parent_path()).filename().string();
}

}  // namespace

void Difference::see(const float* wanted, const float* found, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    scale = std::max(scale, std::fabs(static_cast<double>(wanted[i])));
    if (wanted[i] == found[i]) continue;
    ++weights;
    largest = std::max(largest, std::fabs(static_cast<double>(wanted[i]) - static_cast<double>(found[i])));
  }
}

void Difference::add(const Difference& other) {
  weights += other.weights;
  largest = std::max(largest, other.largest);
  scale = std::max(scale, other.scale);
}

ConvertReport export_gguf(const fs::path& source, const fs::path& out, GgmlType type, const fs::path& tokenizer,
                          bool verify_checksums, int threads) {
  require_new_file(out);
  const format::ModelDirectory directory(source);
  Exporter exporter(directory, type, threads);
  const Config& config = exporter.config();
  format::GgufMetadata metadata;
  put_config(config, model_name(source), type, metadata);
  text::put_tokenizer(load_tokenizer(directory, tokenizer, config), metadata);
  exporter.report().checksums_verified = check_source(directory, verify_checksums);

  const std::vector<Parameter> all = parameters(config);
  std::vector<format::GgufWriter::Entry> entries;
  uint64_t bytes = metadata.bytes().size();
  Progress progress("converting", 2 * all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    check_interrupted("nothing was written");
    progress.update(i, all[i].name);
    entries.push_back({gguf_name(all[i]), exporter.choose(all[i]), tensor_shape(all[i])});
    bytes += format::entry_bytes(entries.back());
  }
  require_disk(bytes, out, "the GGUF file");
  format::GgufWriter writer(out, metadata, entries);
  for (size_t i = 0; i < all.size(); ++i) {
    progress.update(all.size() + i, all[i].name);
    exporter.write(all[i], entries[i].type, writer);
  }
  progress.clear();
  writer.commit();
  return exporter.report();
}

}  // namespace spectra::model
