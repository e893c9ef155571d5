// SPDX-License-Identifier: Apache-2.0
#pragma once
// A TOML text as a tree in which every value knows its line, and tables that are read key by key: what was not asked for is
// unknown.
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace spectra::suite {

struct Node {
  enum class Type : uint8_t { kTable, kList, kText, kInteger, kNumber, kTruth, kOther };
  Type type = Type::kTable;
  std::string origin;  ///< "suite.toml:12", or "--set"
  std::string text;    ///< of a single value: as recipes write it (16384, 0.002, true, a text without quotes)
  int64_t integer = 0;
  double number = 0;       ///< of kInteger too
  std::string key;         ///< its name, in a table
  std::vector<Node> list;  ///< of a list or table

  const Node* find(const std::string& wanted) const;
  /// `text`, or throws Error naming the place where it is not a single value.
  const std::string& single() const;
};

/// The text's tree, then `settings` ("data.text=novel.txt": a TOML value, or a text without quotes). Throws Error (exit 3) with the
/// line, or exit 2 for a setting.
Node parse_toml(const std::string& toml, const std::string& where, const std::vector<std::string>& settings);

class Table {
 public:
  /// `name`: "" for the file, else what stands before the dot in messages, as "data".
  Table(const Node& node, std::string name) : node_(node), name_(std::move(name)) {}

  const std::string& origin() const { return node_.origin; }
  std::string full(const std::string& key) const { return name_.empty() ? key : name_ + "." + key; }

  // Each takes a key out; an absent one leaves `value` as it is. Throws Error naming place, key, value and what is allowed.
  void take(const std::string& key, std::string& value, const std::vector<std::string>& choices = {});
  void take(const std::string& key, int64_t& value, int64_t least, int64_t most);
  void take(const std::string& key, double& value, double least, double most);
  void take(const std::string& key, bool& value);
  /// A list, or one value alone.
  void take(const std::string& key, std::vector<std::string>& values, const std::vector<std::string>& choices = {});
  void take(const std::string& key, std::vector<int64_t>& values, int64_t least, int64_t most);
  /// A table inside, or null.
  const Node* table(const std::string& key);
  /// [[key]]
  std::vector<Node> tables(const std::string& key);
  /// Any value, or null.
  const Node* node(const std::string& key);
  /// Throws Error naming the first key that nobody asked for, and the nearest one that somebody did.
  void finish() const;

  [[noreturn]] void refuse(const std::string& key, const Node& value, const std::string& allowed) const;

 private:
  const Node& node_;
  std::string name_;
  std::set<std::string> asked_;
};

}  // namespace spectra::suite
