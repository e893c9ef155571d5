// SPDX-License-Identifier: Apache-2.0
#pragma once
// The files of src/eval/tasks, put into the program when it is built.
#include <string>
#include <vector>

namespace spectra::eval {

struct EmbeddedTask {
  std::string name, text;
};
const std::vector<EmbeddedTask>& embedded_tasks();

}  // namespace spectra::eval
