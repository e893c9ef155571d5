// SPDX-License-Identifier: Apache-2.0
#include "quantize/options.h"

#include "base/error.h"

namespace spectra::quantize {

const char* method_name(Method method) { return method == Method::kRtn ? "rtn" : method == Method::kGptq ? "gptq" : "gptaq"; }

Method method_from_name(const std::string& name) {
  for (const Method method : {Method::kRtn, Method::kGptq, Method::kGptaq})
    if (name == method_name(method)) return method;
  throw Error(Exit::kUsage, fmt::format("--method {} is unknown", name), "allowed: rtn, gptq, gptaq");
}

}  // namespace spectra::quantize
