// SPDX-License-Identifier: Apache-2.0
#pragma once
// Models from and to the files of other tools. Everything is streamed: no conversion holds more than a part of a matrix, but for
// finding codes, which holds one.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/file.h"
#include "format/ggml_blocks.h"
#include "model/quantized_config.h"

namespace spectra::model {

/// How far numbers moved.
struct Difference {
  int64_t weights = 0;  ///< that differ
  double largest = 0;   ///< of the differences
  double scale = 0;     ///< largest magnitude of all weights seen
  void see(const float* wanted, const float* found, int64_t count);
  void add(const Difference& other);
  /// The largest difference as a share of the largest weight.
  double relative() const { return largest == 0 ? 0 : scale == 0 ? 1 : largest / scale; }
};

struct ConvertReport {
  /// A tensor stored as another type than the one asked for, because that one cannot hold it.
  struct Substitute {
    std::string tensor, type, reason;
  };
  /// A tensor whose weights were rounded: wanted where a smaller type was asked for.
  struct Rounded {
    std::string tensor;
    Difference difference;
  };
  int64_t parameters = 0;
  uint64_t bytes = 0;                    ///< of the tensors written
  std::map<std::string, int64_t> types;  ///< tensors of each type
  std::vector<Substitute> substitutes;
  std::vector<Rounded> rounded;
  bool checksums_verified = false;
};

/// Writes the model directory `source` (packed or not) as the GGUF file `out`, which must not exist. Norms are F32; of a quantized
/// `type` embedding and head are F16 (BF16 where they are that now). A low-bit matrix that `type` cannot hold exactly becomes F16
/// (or F32) and is named in the report. TQ types refuse a matrix that is not low-bit. `tokenizer`: a tokenizer.json or a directory
/// with one; empty = the model's own. Throws Error (exit 3) and leaves nothing where something does not fit.
ConvertReport export_gguf(const fs::path& source, const fs::path& out, format::GgmlType type, const fs::path& tokenizer,
                          bool verify_checksums = true, int threads = 0);

/// Writes the GGUF file `source` as a model directory. F32, F16 and BF16 keep their bits, but norms take the type of the embedding
/// where it holds them; quantized weights become F16 where it holds every value, as it does those of TQ types, else F32. `type`: of
/// all tensors instead. `tokenizer`: as above; empty = the file's own. Throws Error (exit 3) where the file is damaged or holds
/// anything that has no place in a plain Llama model.
ConvertReport import_gguf(const fs::path& source, const fs::path& out, const std::optional<DType>& type, const fs::path& tokenizer);

/// Whether a directory has its weights in PyTorch's own files (pytorch_model.bin, or several with an index) and not in safetensors.
bool is_torch_directory(const fs::path& path);
/// Writes such a directory as one with model.safetensors, with the bits that the tensors have (`type`: of all of them instead).
ConvertReport import_torch(const fs::path& source, const fs::path& out, const std::optional<DType>& type);

/// Writes a model directory, packed or not, as another one with all weights of `type` (absent: those they have, or had before
/// packing; F32, which is exact, where they are quantized).
ConvertReport convert_hf(const fs::path& source, const fs::path& out, const std::optional<DType>& type,
                         bool verify_checksums = true);
/// Writes a quantized model directory with fp16 weights: code times scale, rounded.
ConvertReport unpack_quantized(const fs::path& source, const fs::path& out, bool verify_checksums = true);
/// Writes a quantized model directory in another format, with the same codes and scales. Throws Error (exit 3) for a matrix that
/// has zero points or groups of columns that are not neighbours; see also write_quantized_model.
ConvertReport convert_quantized(const fs::path& source, const fs::path& out, QuantizedFormat format, bool verify_checksums = true);

}  // namespace spectra::model
