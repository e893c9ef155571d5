// SPDX-License-Identifier: Apache-2.0
#pragma once
// TensorBoard event files: RUN/events.out.tfevents.SECONDS.HOST.PID, readable by TensorBoard and everything else that reads its
// format. The two messages have few fields, so they are written by hand instead of through protobuf.
//
// A file is a sequence of TFRecords, little-endian:
//   u64 length | u32 masked CRC-32C of these 8 bytes | `length` bytes | u32 masked CRC-32C of the bytes
//   masked(crc) = rotate right by 15, + 0xa282ead8 (a CRC stored next to its data would else confuse a CRC over both)
// Each record is a protobuf message of tensorflow/core/util/event.proto; fields used here:
//   Event       1 wall_time double, seconds since 1970; 2 step int64; 3 file_version string; 5 summary; 7 session_log
//
//   Summary     1 repeated Value {1 tag string, 2 simple_value float}
//
//   SessionLog  1 status, 1 = START
//
// The first record holds file_version "brain.Event:2", the second a SessionLog START.
//
// After a resume no step appears twice: each start of the program begins a file of its own, and records of later steps than the
// resumed one, with a torn last record, are cut from the older files. Cutting is right for every reader of the files; a
// TensorBoard that was watching has the cut steps in memory, and SessionLog START makes it drop those from the event's step on.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "train/append_file.h"

namespace spectra::train {

using Scalar = std::pair<std::string, double>;  ///< tag, value

class EventFile {
 public:
  /// Cuts the event files in `directory` back to `last_step`. The new file appears with the first add().
  EventFile(const fs::path& directory, int64_t last_step);
  /// One event: all values of a step, in one write, so that kill -9 costs the last step at most. Steps must rise.
  void add(int64_t step, const std::vector<Scalar>& values);

 private:
  fs::path directory_;
  std::unique_ptr<AppendFile> file_;
};

/// CRC-32C (Castagnoli), polynomial 0x1edc6f41 reflected.
uint32_t crc32c(std::string_view bytes);

}  // namespace spectra::train
