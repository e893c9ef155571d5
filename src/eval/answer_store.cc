// SPDX-License-Identifier: Apache-2.0
#include "eval/answer_store.h"

#include <sys/file.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"

namespace spectra::eval {
namespace {

using nlohmann::json;

/// The requests decide the answer, and how they are asked.
std::string key_of(const Task& task, const Document& document) {
  Sha256 hash;
  const auto add = [&](const std::string& text) {
    const uint64_t size = text.size();
    hash.update(&size, sizeof(size));
    hash.update(text.data(), text.size());
  };
  add(task.name);
  add(kind_name(task.kind));
  if (task.kind == Kind::kGenerate) {
    add(fmt::format("{}", task.max_tokens));
    for (const std::string& stop : task.stop) add(stop);
  }
  for (const Request& request : document.requests) {
    add(request.context);
    add(request.continuation);
  }
  return hash.hex().substr(0, 32);
}

bool ends_whole(const std::string& content) { return content.empty() || content.back() == '\n'; }

}  // namespace

AnswerStore::AnswerStore(const fs::path& directory, const std::string& identity, bool resume) : file_(directory / "answers.jsonl") {
  const fs::path about = directory / "evaluation.json";
  if (!resume && fs::exists(about))
    throw bad_input(fmt::format("{}: holds an evaluation already", directory.string()),
                    "continue it with --resume, or give --out a new directory");
  if (!resume) require_new_directory(directory);
  fs::create_directories(directory);
  out_.reset(std::fopen(file_.c_str(), "ab"));
  if (!out_) throw io_error("write", file_.string());
  if (flock(fileno(out_.get()), LOCK_EX | LOCK_NB) != 0)
    throw bad_input(fmt::format("{}: another evaluation writes there", directory.string()),
                    "wait for it, or give --out a new directory");
  if (fs::exists(about)) {
    if (read_file(about) != identity)
      throw bad_input(fmt::format("{}: answers of another model, or of other settings", directory.string()),
                      "continue with the same model and settings, or give --out a new directory");
    load();
  } else {
    write_file(about, identity);
  }
}

void AnswerStore::load() {
  std::string content = read_file(file_);
  if (!ends_whole(content)) {
    content.resize(content.rfind('\n') + 1);  // npos + 1 is 0
    fs::resize_file(file_, content.size());
  }
  int64_t number = 0;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = content.find('\n', begin);
    ++number;
    try {
      const json line = json::parse(content.begin() + static_cast<ptrdiff_t>(begin), content.begin() + static_cast<ptrdiff_t>(end));
      Answer answer{line.at("logprobs").get<std::vector<double>>(), line.at("greedy").get<std::vector<uint8_t>>(),
                    line.at("text").get<std::string>()};
      answers_[line.at("key").get<std::string>()] = std::move(answer);
    } catch (const json::exception&) {
      throw bad_input(fmt::format("{}:{}: a damaged line", file_.string(), number),
                      "delete the line; its document is answered anew");
    }
    begin = end + 1;
  }
}

std::optional<Answer> AnswerStore::find(const Task& task, const Document& document) const {
  const auto found = answers_.find(key_of(task, document));
  if (found == answers_.end()) return std::nullopt;
  return found->second;
}

void AnswerStore::add(const Task& task, const Document& document, const Answer& answer) {
  const json line = {
      {"key", key_of(task, document)}, {"logprobs", answer.logprobs}, {"greedy", answer.greedy}, {"text", answer.text}};
  const std::string text = line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  if (std::fwrite(text.data(), 1, text.size(), out_.get()) != text.size() || std::fflush(out_.get()) != 0)
    throw io_error("write", file_.string());
}

}  // namespace spectra::eval
