// SPDX-License-Identifier: Apache-2.0
#pragma once
// quantization_config of models quantized after training, in the words of the tools that write and read them.
#include <cstdint>
#include <optional>
#include <string>

namespace spectra::model {

/// How a quantized model lies in a directory (docs/formats.md).
enum class QuantizedFormat : uint8_t {
  kCompressedTensors,  ///< "pack-quantized" of compressed-tensors: vLLM, transformers
  kGptq,               ///< of AutoGPTQ and its successors
  kUnpacked,           ///< plain fp16 weights
};
const char* quantized_format_name(QuantizedFormat format);  ///< "compressed-tensors", "gptq", "unpacked"
/// Throws Error (exit 2) listing the three.
QuantizedFormat quantized_format_from_name(const std::string& name);

/// How a model was quantized: what is written into config.json and spectra.json.
struct QuantizationInfo {
  int bits = 4;
  int64_t group_size = 0;    ///< columns that share a scale in a row; 0 = all of them (per channel)
  bool act_order = false;    ///< columns were quantized in the order of their activations; groups stay where they are
  double damp = 0;           ///< share of the mean diagonal added to the Hessian; 0 = not known or none
  std::string method;        ///< "gptq", "rtn"; "" = not known
  std::string details_json;  ///< object with what else spectra.json shall say (calibration, ...); may be empty
};

/// What config.json says about the stored matrices.
struct QuantizedConfig {
  QuantizedFormat format = QuantizedFormat::kCompressedTensors;  ///< not kUnpacked
  int bits = 4;                                                  ///< 1 to 8
  int64_t group_size = 0;                                        ///< 0 = per channel
  bool symmetric = true;
  bool zero_less_one = false;  ///< GPTQ's first version: zero points are stored less one
  bool act_order = false;      ///< columns were quantized in another order; whether their groups lie apart, g_idx says
};
/// Of a directory in one of the two packed formats; nothing where config.json has no quantization_config, or one of our own packed
/// models. Throws Error (exit 3) naming `where` for other methods and for what the two formats do not define.
std::optional<QuantizedConfig> quantized_config_from_json(const std::string& json, const std::string& where);

/// The object to put under quantization_config, as text. `format`: not kUnpacked.
std::string quantization_config_json(QuantizedFormat format, const QuantizationInfo& info);
/// The object "quantization" of spectra.json, as text.
std::string quantization_provenance_json(QuantizedFormat format, const QuantizationInfo& info);
/// What is known of a quantized model: from spectra.json where it says so, else from config.json.
QuantizationInfo quantization_info(const QuantizedConfig& config, const std::string& provenance_json);

}  // namespace spectra::model
