// SPDX-License-Identifier: Apache-2.0
#include "train/run_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"

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
  if (line.mfu) json["mfu"] = *line.mfu;
  if (line.memory_bytes) json["memory_bytes"] = *line.memory_bytes;
  if (line.loss_scale) json["loss_scale"] = *line.loss_scale;
  if (!line.skipped.empty()) json["skipped"] = line.skipped;
  if (line.rewound_to) json["rewound_to"] = *line.rewound_to;
  return json.dump();
}

/// Takes over a value of the log where it is a number: JSON has no NaN, so that of a skipped step is null.
void note(std::optional<double>& newest, const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  if (found != json.end() && found->is_number()) newest = found->get<double>();
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

RunLog::~RunLog() {
  if (!write_waiting()) warn_line(fmt::format("{}: the disk is full; the last lines are lost", path_.string()));
  ::close(descriptor_);
}

void RunLog::cut_back(int64_t last_step) {
  const std::string text = read_file(path_);
  size_t kept = 0;
  for (int number = 1; kept < text.size(); ++number) {
    const size_t end = text.find('\n', kept);
    if (end == std::string::npos) break;  // torn by a crash
    try {
      const auto json = nlohmann::json::parse(text.substr(kept, end - kept));
      if (json.at("step").get<int64_t>() > last_step) break;
      note(loss_, json, "loss");
      note(validation_loss_, json, "validation_loss");
    } catch (const nlohmann::json::exception& error) {
      throw bad_input(fmt::format("{} line {}: {}", path_.string(), number, error.what()), "remove the damaged line, then resume");
    }
    kept = end + 1;
  }
  if (kept < text.size() && ::ftruncate(descriptor_, static_cast<off_t>(kept)) != 0) throw io_error("write", path_.string());
  size_ = kept;
}

/// Writes the lines that wait, all or none. False: it failed, and errno says why.
bool RunLog::write_waiting() {
  if (waiting_.empty()) return true;
  ssize_t written = 0;
  do {
    written = ::write(descriptor_, waiting_.data(), waiting_.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(waiting_.size())) {
    size_ += waiting_.size();
    waiting_.clear();
    warned_ = false;
    return true;
  }
  if (written >= 0) {  // the disk took a part: a reader must not see half a line, nor the next append continue it
    if (::ftruncate(descriptor_, static_cast<off_t>(size_)) != 0) return false;
    errno = ENOSPC;
  }
  return false;
}

void RunLog::append(const LogLine& line) {
  waiting_ += to_json(line) + "\n";
  if (std::isfinite(line.loss)) loss_ = line.loss;
  if (line.validation_loss) validation_loss_ = line.validation_loss;
  if (write_waiting()) return;
  if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG) throw io_error("write", path_.string());
  if (!warned_) warn_line(fmt::format("{}: the disk is full; log lines wait in memory until there is space", path_.string()));
  warned_ = true;
}

void RunLog::sync() {
  if (!write_waiting() || ::fsync(descriptor_) != 0) throw io_error("write", path_.string());
}

}  // namespace spectra::train
