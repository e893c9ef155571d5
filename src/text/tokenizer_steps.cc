// SPDX-License-Identifier: Apache-2.0
// The normalizer, pre_tokenizer and decoder of tokenizer.json.
#include "base/error.h"
#include "text/tokenizer_parts.h"

namespace spectra::text {
namespace {

[[noreturn]] void unsupported(const JsonField& step, const std::string& what, const std::string& supported) {
  throw bad_input(fmt::format("{}: {} is not supported", step.path(), what), "supported: " + supported);
}

/// Calls visit for `step`, or for the members of a Sequence under `list`, however deep.
void for_each_step(const JsonField& step, const char* list,
                   const std::function<void(const JsonField&, const std::string&)>& visit) {
  const std::string type = step["type"].text();
  if (type != "Sequence") return visit(step, type);
  for (const JsonField& member : step[list].items()) for_each_step(member, list, visit);
}

/// The literal of {"String": "..."}.
std::string literal_pattern(const JsonField& step) {
  const JsonField pattern = step["pattern"];
  if (!pattern.has("String")) unsupported(step, "a Replace by regular expression", "Replace with a String pattern");
  std::string text = pattern["String"].text();
  if (text.empty()) pattern["String"].fail("a string that is not empty");
  return text;
}

SplitBehavior read_behavior(const JsonField& field) {
  const std::string name = field.text();
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  field.fail("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

std::unique_ptr<PreTokenizerStep> read_split(const JsonField& step) {
  const JsonField pattern = step["pattern"];
  const bool literal = pattern.has("String");
  const JsonField text = literal ? pattern["String"] : pattern["Regex"];
  return split_step(Regex(text.text(), literal, text.path()), read_behavior(step["behavior"]), step.flag("invert", false));
}

}  // namespace

void read_normalizer(const JsonField& root, Normalizer& normalizer) {
  if (!root.has("normalizer")) return;
  for_each_step(root["normalizer"], "normalizers", [&](const JsonField& step, const std::string& type) {
    if (type == "NFC") return normalizer.add_nfc();
    if (type == "Prepend") return normalizer.add_prepend(step["prepend"].text());
    if (type == "Replace") return normalizer.add_replace(literal_pattern(step), step["content"].text());
    unsupported(step, "the normalizer " + type, "NFC, Prepend, Replace, Sequence");
  });
}

bool read_pre_tokenizer(const JsonField& root, PreTokenizer& pre_tokenizer) {
  bool byte_level = false;
  if (!root.has("pre_tokenizer")) return byte_level;
  for_each_step(root["pre_tokenizer"], "pretokenizers", [&](const JsonField& step, const std::string& type) {
    if (type == "ByteLevel") {
      byte_level = true;
      pre_tokenizer.add(byte_level_step(step.flag("add_prefix_space", true), step.flag("use_regex", true)));
    } else if (type == "Split") {
      pre_tokenizer.add(read_split(step));
    } else if (type == "Digits") {
      pre_tokenizer.add(digits_step(step.flag("individual_digits", false)));
    } else {
      unsupported(step, "the pre-tokenizer " + type, "ByteLevel, Split, Digits, Sequence");
    }
  });
  return byte_level;
}

Decoder read_decoder(const JsonField& root, bool byte_level) {
  Decoder decoder;
  if (!root.has("decoder")) {
    if (!byte_level) throw bad_input(fmt::format("{}: a vocabulary that is not byte-level needs a decoder", root.path()));
    return decoder;
  }
  for_each_step(root["decoder"], "decoders", [&](const JsonField& step, const std::string& type) {
    if (type == "Fuse" || (type == "ByteLevel" && byte_level)) return;
    if (type == "ByteFallback") {
      decoder.byte_fallback = true;
    } else if (type == "Replace") {
      decoder.replacements.add_replace(literal_pattern(step), step["content"].text());
    } else if (type == "Strip" && step["content"].text() == " " && step["stop"].integer() == 0) {
      const int64_t count = step["start"].integer();
      if (count < 0) step["start"].fail("a number that is not negative");
      decoder.strip_spaces = static_cast<size_t>(count);
    } else {
      unsupported(step, "the decoder " + type,
                  "ByteLevel (with a ByteLevel pre-tokenizer), Replace, ByteFallback, Fuse, Strip of leading spaces, Sequence");
    }
  });
  return decoder;
}

}  // namespace spectra::text
