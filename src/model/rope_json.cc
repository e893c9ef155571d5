// SPDX-License-Identifier: Apache-2.0
#include "model/rope_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

namespace spectra::model {
namespace {

using nlohmann::json;

/// A number of one kind of scaling, its key, and whether it may be left out.
struct RopeKey {
  const char* name;
  double Rope::*number;
  bool required = false;
};
constexpr RopeKey kLinearKeys[] = {{"factor", &Rope::factor, true}};
constexpr RopeKey kLlama3Keys[] = {{"factor", &Rope::factor, true},
                                   {"low_freq_factor", &Rope::low_frequency, true},
                                   {"high_freq_factor", &Rope::high_frequency, true}};
constexpr RopeKey kYarnKeys[] = {{"factor", &Rope::factor, true}, {"attention_factor", &Rope::attention_factor},
                                 {"beta_fast", &Rope::fast},      {"beta_slow", &Rope::slow},
                                 {"mscale", &Rope::score_scale},  {"mscale_all_dim", &Rope::score_scale_all_dims}};
constexpr const char* kOriginalPositions = "original_max_position_embeddings";

std::span<const RopeKey> rope_keys(RopeScaling scaling) {
  switch (scaling) {
    case RopeScaling::kDefault:
      return {};
    case RopeScaling::kLinear:
      return kLinearKeys;
    case RopeScaling::kLlama3:
      return kLlama3Keys;
    case RopeScaling::kYarn:
      return kYarnKeys;
  }
  return {};
}
bool has_original(RopeScaling scaling) { return scaling == RopeScaling::kLlama3 || scaling == RopeScaling::kYarn; }

/// The kind is called rope_type, before transformers 4.43 type.
RopeScaling read_rope_kind(const ConfigReader& read) {
  const char* key = read.find("rope_type") != nullptr ? "rope_type" : "type";
  const std::string name = read.text(key);
  if (name.empty()) return RopeScaling::kDefault;
  for (const RopeScaling kind : {RopeScaling::kDefault, RopeScaling::kLinear, RopeScaling::kLlama3, RopeScaling::kYarn})
    if (name == rope_scaling_name(kind)) return kind;
  throw read.refuse(key, name, "spectra knows default, linear, llama3 and yarn");
}

void refuse_unknown_keys(const json& object, const ConfigReader& read, RopeScaling scaling) {
  const std::span<const RopeKey> keys = rope_keys(scaling);
  for (const auto& item : object.items()) {
    const std::string& name = item.key();
    const bool known = name == "rope_type" || name == "type" || name == "rope_theta" || name == kOriginalPositions ||
                       name == "truncate" ||
                       std::any_of(keys.begin(), keys.end(), [&](const RopeKey& key) { return name == key.name; });
    if (!known && !item.value().is_null())
      throw read.refuse(name.c_str(), item.value(), fmt::format("rope_type {} has no such number", rope_scaling_name(scaling)));
  }
}

void read_scaling(const json& object, const ConfigReader& read, Rope& rope) {
  rope.scaling = read_rope_kind(read);
  refuse_unknown_keys(object, read, rope.scaling);
  for (const RopeKey& key : rope_keys(rope.scaling)) {
    if (key.required && read.find(key.name) == nullptr)
      throw bad_input(
          fmt::format("{}: rope_type is {}, but {} is missing", read.where(), rope_scaling_name(rope.scaling), key.name),
          "copy config.json again");
    rope.*key.number = read.positive(key.name, rope.*key.number);
  }
  if (has_original(rope.scaling)) rope.original_positions = read.integer(kOriginalPositions, 0, 1, int64_t{1} << 28);
  if (rope.scaling == RopeScaling::kYarn) rope.truncate = read.boolean("truncate", true);
}

}  // namespace

Rope read_rope(const ConfigReader& read, double absent_theta) {
  Rope rope;
  rope.theta = static_cast<float>(read.positive("rope_theta", absent_theta));
  if (const json* scaling = read.find("rope_scaling"); scaling != nullptr && read.find("rope_parameters") != nullptr)
    throw read.refuse("rope_scaling", *scaling, "rope_parameters is there too: one of the two must go");
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const json* object = read.find(key);
    if (object == nullptr) continue;
    if (!object->is_object()) throw read.refuse(key, *object, "expected an object");
    const ConfigReader inner(*object, read.where(), std::string(key) + ".");
    rope.theta = static_cast<float>(inner.positive("rope_theta", static_cast<double>(rope.theta)));
    read_scaling(*object, inner, rope);
  }
  return rope;
}

nlohmann::ordered_json rope_scaling_json(const Rope& rope) {
  if (rope.scaling == RopeScaling::kDefault) return nullptr;
  nlohmann::ordered_json object = {{"rope_type", rope_scaling_name(rope.scaling)}};
  for (const RopeKey& key : rope_keys(rope.scaling))
    if (rope.*key.number != 0) object[key.name] = rope.*key.number;
  if (has_original(rope.scaling) && rope.original_positions != 0) object[kOriginalPositions] = rope.original_positions;
  if (rope.scaling == RopeScaling::kYarn && !rope.truncate) object["truncate"] = false;
  return object;
}

}  // namespace spectra::model
