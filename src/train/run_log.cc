// SPDX-License-Identifier: Apache-2.0
#include "train/run_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace spectra::train {
namespace {

std::string to_json(const LogLine& line) {
  nlohmann::ordered_json json{{"step", line.step},
                              {"tokens", line.tokens},
                              {"loss", line.loss},
                              {"lr", line.lr},
                              {"weight_decay", line.weight_decay},
                              {"grad_norm", line.grad_norm},
                              {"tokens_per_second", line.tokens_per_second}};
  if (line.validation_loss) json["validation_loss"] = *line.validation_loss;
  if (line.zero_fraction) json["zero_fraction"] = *line.zero_fraction;
  if (line.flip_fraction) json["flip_fraction"] = *line.flip_fraction;
  return json.dump();
}

}  // namespace

RunLog::RunLog(const fs::path& path, int64_t last_step) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw io_error("write", path.string());
  try {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
      throw bad_input(fmt::format("{} is in use by another process", path.string()),
                      "wait until the other training ends, or choose another --out");
    cut_back(last_step);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

RunLog::~RunLog() { ::close(descriptor_); }

void RunLog::cut_back(int64_t last_step) {
  const std::string text = read_file(path_);
  size_t kept = 0;
  for (int number = 1; kept < text.size(); ++number) {
    const size_t end = text.find('\n', kept);
    if (end == std::string::npos) break;  // torn by a crash
    try {
      const auto json = nlohmann::json::parse(text.substr(kept, end - kept));
      if (json.at("step").get<int64_t>() > last_step) break;
      loss_ = json.at("loss").get<double>();
      if (json.contains("validation_loss")) validation_loss_ = json["validation_loss"].get<double>();
    } catch (const nlohmann::json::exception& error) {
      throw bad_input(fmt::format("{} line {}: {}", path_.string(), number, error.what()), "remove the damaged line, then resume");
    }
    kept = end + 1;
  }
  if (kept < text.size() && ::ftruncate(descriptor_, static_cast<off_t>(kept)) != 0) throw io_error("write", path_.string());
}

void RunLog::append(const LogLine& line) {
  const std::string text = to_json(line) + "\n";
  ssize_t written = 0;
  do {
    written = ::write(descriptor_, text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  if (written >= 0 && written < static_cast<ssize_t>(text.size())) errno = ENOSPC;
  if (written != static_cast<ssize_t>(text.size())) throw io_error("write", path_.string());
  loss_ = line.loss;
  if (line.validation_loss) validation_loss_ = line.validation_loss;
}

void RunLog::sync() {
  if (::fsync(descriptor_) != 0) throw io_error("write", path_.string());
}

}  // namespace spectra::train
