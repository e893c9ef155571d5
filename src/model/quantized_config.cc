// SPDX-License-Identifier: Apache-2.0
#include "model/quantized_config.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/version.h"
#include "format/strict_json.h"

namespace spectra::model {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kKnown =
    "read are packed models of spectra, compressed-tensors in the format pack-quantized, and gptq (checkpoint_format gptq or "
    "gptq_v2)";

/// An object of quantization_config; keys that are null count as absent.
class GroupReader {
 public:
  GroupReader(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) throw bad_input(fmt::format("{} is no object", where_), kKnown);
  }
  const json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  Error refuse(const char* key, const std::string& hint) const {
    const json* value = find(key);
    return bad_input(fmt::format("{}: {} is {}", where_, key, value == nullptr ? "missing" : value->dump()), hint);
  }
  int64_t integer(const char* key, int64_t low, int64_t high) const {
    const json* value = find(key);
    if (value == nullptr || !value->is_number_integer() || (value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX) ||
        value->get<int64_t>() < low || value->get<int64_t>() > high)
      throw refuse(key, fmt::format("allowed are whole numbers from {} to {}", low, high));
    return value->get<int64_t>();
  }
  bool flag(const char* key, bool absent) const {
    const json* value = find(key);
    if (value == nullptr) return absent;
    if (!value->is_boolean()) throw refuse(key, "allowed are true and false");
    return value->get<bool>();
  }
  std::string text(const char* key, const std::string& absent) const {
    const json* value = find(key);
    if (value == nullptr) return absent;
    if (!value->is_string()) throw refuse(key, "expected a text");
    return value->get<std::string>();
  }
  /// Absent, empty, or the only value that does not change what the model computes.
  void require(const char* key, const json& wanted, const std::string& hint) const {
    const json* value = find(key);
    if (value != nullptr && !value->empty() && *value != wanted) throw refuse(key, hint);
  }
  const std::string& where() const { return where_; }

 private:
  const json& object_;
  std::string where_;
};

/// The one group of layers that compressed-tensors' config_groups has.
const json& only_group(const GroupReader& read) {
  const json* groups = read.find("config_groups");
  if (groups == nullptr || !groups->is_object() || groups->size() != 1)
    throw bad_input(read.where() + ": config_groups does not describe one group of layers",
                    "models that quantize some layers otherwise than others are not read");
  return groups->begin().value();
}

QuantizedConfig read_compressed_tensors(const GroupReader& read) {
  if (read.text("format", "") != "pack-quantized") throw read.refuse("format", kKnown);
  read.require("kv_cache_scheme", nullptr, "quantized keys and values are not read");
  if (const json* sparsity = read.find("sparsity_config");
      sparsity != nullptr && !sparsity->empty() && (!sparsity->is_object() || sparsity->value("format", "") != "dense"))
    throw read.refuse("sparsity_config", "sparse matrices are not read");
  const GroupReader group(only_group(read), read.where() + ": config_groups");
  group.require("input_activations", nullptr, "read are models whose weights alone are quantized");
  group.require("output_activations", nullptr, "read are models whose weights alone are quantized");
  const json* weights = group.find("weights");
  if (weights == nullptr) throw group.refuse("weights", kKnown);
  const GroupReader w(*weights, read.where() + ": weights");
  QuantizedConfig config;
  config.format = QuantizedFormat::kCompressedTensors;
  config.bits = static_cast<int>(w.integer("num_bits", 1, 8));
  config.symmetric = w.flag("symmetric", true);
  if (w.text("type", "int") != "int") throw w.refuse("type", "supported are integers");
  if (w.flag("dynamic", false)) throw w.refuse("dynamic", "weights have fixed scales");
  const std::string strategy = w.text("strategy", w.find("group_size") == nullptr ? "channel" : "group");
  if (strategy != "group" && strategy != "channel") throw w.refuse("strategy", "supported are group and channel");
  if (strategy == "group") config.group_size = w.integer("group_size", 1, int64_t{1} << 28);
  config.act_order = w.find("actorder") != nullptr && *w.find("actorder") != false;
  return config;
}

QuantizedConfig read_gptq(const GroupReader& read) {
  QuantizedConfig config;
  config.format = QuantizedFormat::kGptq;
  const std::string version = read.text("checkpoint_format", "gptq");
  if (version != "gptq" && version != "gptq_v2") throw read.refuse("checkpoint_format", kKnown);
  if (read.text("pack_dtype", "int32") != "int32") throw read.refuse("pack_dtype", "supported is int32");
  read.require("dynamic", json::object(), "models that quantize some layers otherwise than others are not read");
  config.zero_less_one = version == "gptq";
  config.bits = static_cast<int>(read.integer("bits", 1, 8));
  if (config.bits != 2 && config.bits != 3 && config.bits != 4 && config.bits != 8)
    throw read.refuse("bits", "gptq holds 2, 3, 4 and 8 bits");
  const int64_t group = read.integer("group_size", -1, int64_t{1} << 28);
  if (group == 0) throw read.refuse("group_size", "-1 stands for one scale a row");
  config.group_size = std::max<int64_t>(group, 0);
  config.symmetric = read.flag("sym", true);
  config.act_order = read.flag("desc_act", false) || read.flag("static_groups", false);
  return config;
}

}  // namespace

const char* quantized_format_name(QuantizedFormat format) {
  switch (format) {
    case QuantizedFormat::kCompressedTensors:
      return "compressed-tensors";
    case QuantizedFormat::kGptq:
      return "gptq";
    case QuantizedFormat::kUnpacked:
      return "unpacked";
  }
  return "?";
}

QuantizedFormat quantized_format_from_name(const std::string& name) {
  for (const QuantizedFormat format : {QuantizedFormat::kCompressedTensors, QuantizedFormat::kGptq, QuantizedFormat::kUnpacked})
    if (name == quantized_format_name(format)) return format;
  throw Error(Exit::kUsage, fmt::format("unknown format \"{}\"", name), "allowed: compressed-tensors, gptq, unpacked");
}

std::optional<QuantizedConfig> quantized_config_from_json(const std::string& text, const std::string& where) {
  const json document = format::parse_json_object(text, where);
  const auto found = document.find("quantization_config");
  if (found == document.end() || found->is_null()) return std::nullopt;
  const GroupReader read(*found, where + ": quantization_config");
  const std::string method = read.text("quant_method", "");
  if (method == "spectra") return std::nullopt;
  if (method == "compressed-tensors") return read_compressed_tensors(read);
  if (method == "gptq") return read_gptq(read);
  throw read.refuse("quant_method", kKnown);
}

std::string quantization_config_json(QuantizedFormat format, const QuantizationInfo& info) {
  if (format == QuantizedFormat::kCompressedTensors) {
    const bool channel = info.group_size == 0;
    const ordered_json weights = {{"num_bits", info.bits},
                                  {"type", "int"},
                                  {"symmetric", true},
                                  {"strategy", channel ? "channel" : "group"},
                                  {"group_size", channel ? ordered_json() : ordered_json(info.group_size)},
                                  {"dynamic", false},
                                  {"actorder", info.act_order ? ordered_json("weight") : ordered_json()}};
    const ordered_json group = {
        {"targets", {"Linear"}}, {"weights", weights}, {"input_activations", nullptr}, {"output_activations", nullptr}};
    return ordered_json{
        {"quant_method", "compressed-tensors"},  {"format", "pack-quantized"}, {"quantization_status", "compressed"},
        {"config_groups", {{"group_0", group}}}, {"ignore", {"lm_head"}},      {"kv_cache_scheme", nullptr}}
        .dump();
  }
  SPECTRA_CHECK(format == QuantizedFormat::kGptq, "{}", quantized_format_name(format));
  ordered_json document = {{"quant_method", "gptq"},
                           {"checkpoint_format", "gptq"},
                           {"bits", info.bits},
                           {"group_size", info.group_size == 0 ? -1 : info.group_size},
                           {"sym", true},
                           {"desc_act", false},  // no reader needs another order of columns: groups lie where they are
                           {"static_groups", info.act_order},
                           {"lm_head", false},
                           {"pack_dtype", "int32"},
                           {"meta", {{"quantizer", {"spectra:" + std::string(tool_version())}}}}};
  if (info.damp > 0) document["damp_percent"] = info.damp;
  return document.dump();
}

std::string quantization_provenance_json(QuantizedFormat format, const QuantizationInfo& info) {
  ordered_json document = {{"format", quantized_format_name(format)}, {"bits", info.bits}, {"group_size", info.group_size}};
  if (!info.method.empty()) document["method"] = info.method;
  document["act_order"] = info.act_order;
  if (info.damp > 0) document["damp"] = info.damp;
  if (!info.details_json.empty()) document.update(ordered_json::parse(info.details_json));
  return document.dump();
}

QuantizationInfo quantization_info(const QuantizedConfig& config, const std::string& provenance_json) {
  QuantizationInfo info{config.bits, config.group_size, config.act_order, 0, "", ""};
  if (provenance_json.empty()) return info;
  const auto document = ordered_json::parse(format::parse_json_object(provenance_json, "spectra.json").dump());
  const auto found = document.find("quantization");
  if (found == document.end() || !found->is_object()) return info;
  ordered_json details = *found;
  if (const auto method = found->find("method"); method != found->end() && method->is_string()) info.method = *method;
  if (const auto damp = found->find("damp"); damp != found->end() && damp->is_number()) info.damp = *damp;
  if (const auto order = found->find("act_order"); order != found->end() && order->is_boolean()) info.act_order = *order;
  for (const char* key : {"format", "bits", "group_size", "method", "act_order", "damp"}) details.erase(key);
  if (!details.empty()) info.details_json = details.dump();
  return info;
}

}  // namespace spectra::model
