// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the files that rewrite a model directory share. Not for others.
#include <map>
#include <string>

#include "format/model_directory.h"

namespace spectra::model {

/// "F16" -> "float16", "BF16" -> "bfloat16", "F32" -> "float32": the spelling of torch_dtype in config.json.
std::string torch_dtype(DType dtype);
/// Throws Error for other types, naming `where`.
DType dtype_from_torch(const std::string& name, const std::string& where);

/// Checks `source`'s checksums if asked to. False where there are none.
bool check_source(const format::ModelDirectory& source, bool verify);
/// Bytes of all tensors.
uint64_t tensor_bytes(const format::ModelDirectory& directory);
/// Copies the tokenizer files and writes spectra.json: what the source's says, with the source as parent. `weights_sha256`: of the
/// model.safetensors just written. `extra_json`: an object with what else spectra.json shall say.
void finish_directory(const format::ModelDirectory& source, const fs::path& out, const std::string& weights_sha256,
                      const std::string& extra_json = "{}");

}  // namespace spectra::model
