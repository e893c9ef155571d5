// SPDX-License-Identifier: Apache-2.0
#include "quantize/partial.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "format/safetensors.h"
#include "format/strict_json.h"

namespace spectra::quantize {
namespace {

constexpr const char* kCodes = "_codes";
constexpr const char* kScales = "_scales";

nlohmann::ordered_json to_json(const LinearReport& l) {
  return {{"name", l.name},
          {"rows", l.rows},
          {"cols", l.cols},
          {"output_error", l.output_error},
          {"weight_error", l.weight_error},
          {"clipped", l.clipped},
          {"damp", l.damp},
          {"seconds", l.seconds}};
}
LinearReport from_json(const nlohmann::json& j) {
  return {j.at("name"),         j.at("rows"),    j.at("cols"), j.at("output_error"),
          j.at("weight_error"), j.at("clipped"), j.at("damp"), j.at("seconds")};
}

std::string differences(const nlohmann::json& found, const nlohmann::json& wanted) {
  std::string text;
  for (const auto& [key, value] : wanted.items())
    if (!found.contains(key) || found[key] != value)
      text += fmt::format("{}{} {} instead of {}", text.empty() ? "" : ", ", key,
                          found.contains(key) ? found[key].dump() : "nothing", value.dump());
  return text;
}

template <class T>
std::vector<T> values(const format::TensorView& view, DType dtype, const std::string& where) {
  if (view.dtype != dtype || view.shape.size() != 2) throw bad_input(fmt::format("{}: tensor {} is damaged", where, view.name));
  std::vector<T> out(view.data.size() / sizeof(T));
  std::memcpy(out.data(), view.data.data(), view.data.size());
  return out;
}

const format::TensorView& find(const format::SafetensorsFile& file, const std::string& name) {
  for (const format::TensorView& view : file.tensors())
    if (view.name == name) return view;
  throw bad_input(fmt::format("{}: tensor {} is missing", file.path().string(), name),
                  "remove the file to quantize its block again");
}

lowbit::QuantizedMatrix read(const format::SafetensorsFile& file, const std::string& parameter, int bits) {
  const std::string where = file.path().string();
  const format::TensorView &codes = find(file, parameter + kCodes), &scales = find(file, parameter + kScales);
  lowbit::QuantizedMatrix m{0, 0, bits, 0, values<int8_t>(codes, DType::kI8, where), values<float>(scales, DType::kF32, where)};
  m.rows = codes.shape[0], m.cols = codes.shape[1];
  if (scales.shape[0] != m.rows || scales.shape[1] <= 0 || m.cols % scales.shape[1] != 0)
    throw bad_input(fmt::format("{}: shapes of {} do not fit", where, parameter), "remove the file to quantize its block again");
  m.group_size = m.cols / scales.shape[1];
  return m;
}

}  // namespace

Partial::Partial(const fs::path& path, const std::string& fingerprint, int bits) : path_(path), bits_(bits) {
  const fs::path job = path / "job.json";
  if (!fs::exists(path)) {
    fs::create_directories(path);
    write_file(job, fingerprint);
    return;
  }
  const nlohmann::json wanted = nlohmann::json::parse(fingerprint);
  const bool known = fs::exists(job);
  if (!known && !fs::is_empty(path))
    throw bad_input(fmt::format("{} exists, but was not left by an interrupted `spectra quantize`", path.string()),
                    "remove it, or choose another --out");
  if (!known) write_file(job, fingerprint);
  const std::string differing = differences(format::parse_json_object(read_file(job), job.string()), wanted);
  if (!differing.empty())
    throw bad_input(fmt::format("{} holds blocks of another job: {}", path.string(), differing),
                    "repeat the command that left it, remove the directory, or choose another --out");
}

fs::path Partial::file(int64_t block) const { return path_ / fmt::format("block-{:05}.safetensors", block); }

bool Partial::has(int64_t block) const { return fs::exists(file(block)); }

void Partial::save(int64_t block, const FinishedBlock& finished) const {
  std::vector<format::SafetensorsWriter::Entry> entries;
  for (const auto& [name, m] : finished.matrices) entries.push_back({name + kScales, DType::kF32, {m.rows, m.groups()}});
  for (const auto& [name, m] : finished.matrices) entries.push_back({name + kCodes, DType::kI8, {m.rows, m.cols}});
  nlohmann::ordered_json linears = nlohmann::ordered_json::array();
  for (const LinearReport& l : finished.linears) linears.push_back(to_json(l));
  const fs::path unfinished = path_ / "unfinished";
  format::SafetensorsWriter writer(unfinished, entries, {{"linears", linears.dump()}});
  for (const auto& entry : finished.matrices) writer.write(entry.second.scales.data(), entry.second.scales.size() * sizeof(float));
  for (const auto& entry : finished.matrices) writer.write(entry.second.codes.data(), entry.second.codes.size());
  writer.close();
  fs::rename(unfinished, file(block));
  sync_directory(path_);
}

FinishedBlock Partial::load(int64_t block) const {
  const format::SafetensorsFile stored(file(block));
  const std::string where = stored.path().string();
  FinishedBlock out;
  try {
    for (const auto& linear : format::parse_json(stored.metadata().at("linears"), where)) out.linears.push_back(from_json(linear));
  } catch (const std::exception& problem) {
    throw bad_input(fmt::format("{}: its report is damaged: {}", where, problem.what()),
                    "remove the file to quantize its block again");
  }
  for (const LinearReport& linear : out.linears) {
    const std::string name = linear.name + ".weight";
    out.matrices[name] = read(stored, name, bits_);
  }
  return out;
}

lowbit::QuantizedMatrix Partial::matrix(int64_t block, const std::string& parameter) const {
  return read(format::SafetensorsFile(file(block)), parameter, bits_);
}

void Partial::remove() const { fs::remove_all(path_); }

}  // namespace spectra::quantize
