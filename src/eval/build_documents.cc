// SPDX-License-Identifier: Apache-2.0
#include "eval/build_documents.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "eval/python_random.h"
#include "eval/python_text.h"

namespace spectra::eval {
namespace {

/// Seed of the harness's sampler of examples.
constexpr uint32_t kSamplerSeed = 1234;

std::string joined(const Texts& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

double number_of(const Template& source, const Record& record) {
  const std::string text = source.text(record);
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value))
    throw bad_input(fmt::format("{}: {} is \"{}\"", record.where, source.source(), text), "expected a number");
  return value;
}

/// Index of the right one of the choices; -1 where the task has none.
int64_t gold_of(const Task& task, const Record& record) {
  const Gold& gold = task.gold;
  if (!gold.sum.empty()) {
    double sum = 0;
    for (const Template& part : gold.sum) sum += number_of(part, record);
    return sum > gold.above ? 1 : 0;
  }
  if (!gold.label) return -1;
  const std::string label = gold.label->text(record);
  if (gold.label_list && gold.label_list->fits(record)) {
    const Texts labels = gold.label_list->texts(record);
    const auto found = std::find(labels.begin(), labels.end(), label);
    if (found == labels.end())
      throw bad_input(fmt::format("{}: the right answer is \"{}\"", record.where, label),
                      "expected one of the labels " + joined(labels));
    return found - labels.begin();
  }
  Texts allowed;
  for (size_t i = 0; i < gold.labels.size(); ++i) {
    if (std::find(gold.labels[i].begin(), gold.labels[i].end(), label) != gold.labels[i].end()) return static_cast<int64_t>(i);
    allowed.insert(allowed.end(), gold.labels[i].begin(), gold.labels[i].end());
  }
  if (!allowed.empty())
    throw bad_input(fmt::format("{}: the right answer is \"{}\"", record.where, label), "expected one of " + joined(allowed));
  int64_t index = -1;
  const auto parsed = std::from_chars(label.data(), label.data() + label.size(), index);
  if (parsed.ec != std::errc() || parsed.ptr != label.data() + label.size() || index < 0)
    throw bad_input(fmt::format("{}: the right answer is \"{}\"", record.where, label), "expected its number, from 0");
  return index;
}

/// Choices before the first that is false (mc2 of 0.4.2).
int64_t true_choices(const Task& task, const Record& record, size_t count) {
  const Texts labels = task.true_labels->texts(record);
  if (labels.size() != count)
    throw bad_input(fmt::format("{}: {} labels of {} choices", record.where, labels.size(), count), "expected one label a choice");
  int64_t truths = 0;
  bool falsehood = false;
  for (const std::string& label : labels) {
    if (label != "0" && label != "1")
      throw bad_input(fmt::format("{}: a choice has the label \"{}\"", record.where, label), "expected 1 (true) or 0");
    falsehood = falsehood || label == "0";
    truths += !falsehood;
  }
  return truths;
}

/// What a record is asked, before examples.
struct Question {
  Texts prompts, choices;  ///< choices: of several prompts the prompts themselves
  int64_t gold = -1;
};

Question question_of(const Task& task, const Record& record) {
  Question q;
  for (const Template& prompt : task.prompts) q.prompts.push_back(prompt.text(record));
  if (task.kind != Kind::kChoice) return q;
  if (q.prompts.size() > 1) {
    q.choices = q.prompts;
  } else if (task.choices_are_list) {
    q.choices = task.choices[0].texts(record);
  } else {
    for (const Template& choice : task.choices) q.choices.push_back(choice.text(record));
  }
  if (q.choices.size() < 2) throw bad_input(fmt::format("{}: {} choices", record.where, q.choices.size()), "expected two or more");
  q.gold = gold_of(task, record);
  if (q.gold >= static_cast<int64_t>(q.choices.size()))
    throw bad_input(fmt::format("{}: the right answer is number {} of {} choices", record.where, q.gold + 1, q.choices.size()),
                    "expected one of the choices");
  return q;
}

/// Prompt, delimiter and right answer, as an example shows them.
std::string example_of(const Task& task, const Record& record) {
  const Question q = question_of(task, record);
  if (task.kind == Kind::kGenerate) {
    const Texts answers = task.answers->texts(record);
    return q.prompts[0] + task.delimiter + (answers.empty() ? "" : answers[0]);
  }
  if (task.target) return q.prompts[static_cast<size_t>(std::max<int64_t>(q.gold, 0))] + task.delimiter + task.target->text(record);
  return q.prompts[0] + task.delimiter + q.choices.at(static_cast<size_t>(q.gold));
}

/// Draws a document's examples as the harness does: one generator for all documents of a task, in their order.
class Examples {
 public:
  Examples(const Task& task, const std::vector<const Record*>& records, int64_t count, bool own_split)
      : task_(task), records_(records), count_(static_cast<size_t>(count)), own_split_(own_split), random_(kSamplerSeed) {}

  std::string before(const Record& record) {
    if (count_ == 0) return "";
    const size_t wanted = count_ + (own_split_ ? 1 : 0);
    if (wanted > records_.size())
      throw bad_input(
          fmt::format("{} examples of task {}, and there are {} records to take them from", count_, task_.name, records_.size()),
          "ask for fewer with --fewshot");
    std::vector<size_t> drawn;
    if (task_.fewshot_first)
      for (size_t i = 0; i < wanted; ++i) drawn.push_back(i);
    else
      drawn = random_.sample(records_.size(), wanted);
    std::string text;
    size_t used = 0;
    for (const size_t i : drawn)
      if (used < count_ && !(own_split_ && records_[i]->fields == record.fields)) {
        text += (used == 0 ? "" : task_.fewshot_delimiter) + example_of(task_, *records_[i]);
        ++used;
      }
    return text + task_.fewshot_delimiter;
  }

 private:
  const Task& task_;
  const std::vector<const Record*>& records_;
  size_t count_;
  bool own_split_;
  PythonRandom random_;
};

void add_requests(const Task& task, const Record& record, const std::string& before, Document& document) {
  if (task.kind == Kind::kRolling) {
    document.requests.push_back({"", task.text->text(record)});
    const std::string original = (task.original ? *task.original : *task.text).text(record);
    document.words = count_words(original);
    document.bytes = static_cast<int64_t>(original.size());
    return;
  }
  Question q = question_of(task, record);
  const std::string context = task.description.text(record) + before;
  const std::string target = task.target ? task.delimiter + task.target->text(record) : "";
  if (task.kind == Kind::kChoice && q.prompts.size() == 1)
    for (const std::string& choice : q.choices) document.requests.push_back({context + q.prompts[0], task.delimiter + choice});
  else
    for (const std::string& prompt : q.prompts) document.requests.push_back({context + prompt, target});
  document.choices = std::move(q.choices);
  document.gold = q.gold;
  if (task.true_labels) document.true_choices = true_choices(task, record, document.choices.size());
  if (task.answers) {
    document.answers = task.answers->texts(record);
    if (document.answers.empty()) throw bad_input(fmt::format("{}: no answers", record.where), "expected one or more");
  }
}

Document document_of(const Task& task, const Record& record, const std::string& before, const std::string& subset) {
  Document document;
  document.where = record.where;
  document.subset = subset;
  add_requests(task, record, before, document);
  const std::vector<Request> once = document.requests;
  for (int64_t i = 1; i < task.repeat; ++i) document.requests.insert(document.requests.end(), once.begin(), once.end());
  for (const auto& [name, note] : task.notes)
    document.notes[name] = note.has_list(record) ? note.texts(record) : Texts{note.text(record)};
  return document;
}

std::string subset_of(const Task& task, const Record& record) {
  if (!task.subsets.of) return "";
  const std::string text = task.subsets.of->text(record);
  for (const std::string& name : task.subsets.names)
    if (task.subsets.prefix ? text.compare(0, name.size(), name) == 0 : text == name) return name;
  throw bad_input(fmt::format("{}: {} is \"{}\"", record.where, task.subsets.of->source(), text),
                  "expected one of " + joined(task.subsets.names));
}

using Parts = std::vector<std::pair<std::string, std::vector<const Record*>>>;

/// Records of each part that is a task of its own, in the order of the task's list; one part where there are none.
Parts parts_of(const Task& task, const std::vector<Record>& records) {
  Parts parts;
  if (!task.subsets.separate) parts.emplace_back();
  for (const std::string& name : task.subsets.separate ? task.subsets.names : Texts()) parts.push_back({name, {}});
  for (const Record& record : records) {
    const std::string name = task.subsets.separate ? subset_of(task, record) : "";
    std::find_if(parts.begin(), parts.end(), [&](const auto& p) { return p.first == name; })->second.push_back(&record);
  }
  return parts;
}

}  // namespace

std::vector<Document> build_documents(const Task& task, const DataFinder& finder, const DocumentOptions& options) {
  const std::vector<Record> records = load_records(task, task.split, finder);
  const bool own_split = task.fewshot_split.empty() || task.fewshot_split == task.split;
  if (options.fewshot > 0 && task.kind == Kind::kRolling) throw bad_input(fmt::format("task {} takes no examples", task.name));
  const std::vector<Record> others =
      options.fewshot > 0 && !own_split ? load_records(task, task.fewshot_split, finder) : std::vector<Record>();
  const Parts parts = parts_of(task, records), example_parts = parts_of(task, own_split ? records : others);
  const auto is_wanted = [&](const std::string& part) {
    return options.subsets.empty() || std::find(options.subsets.begin(), options.subsets.end(), part) != options.subsets.end();
  };
  std::vector<Document> documents;
  for (size_t p = 0; p < parts.size(); ++p) {
    if (task.subsets.separate && !is_wanted(parts[p].first)) continue;
    std::vector<const Record*> order = parts[p].second;
    if (task.shuffle) PythonRandom(*task.shuffle).shuffle(order);
    Examples examples(task, example_parts[p].second, options.fewshot, own_split);
    int64_t taken = 0;
    for (const Record* record : order) {
      if (options.limit > 0 && taken == options.limit) break;
      const std::string subset = subset_of(task, *record);
      if (!is_wanted(subset)) continue;
      documents.push_back(document_of(task, *record, examples.before(*record), subset));
      documents.back().number = static_cast<int64_t>(documents.size()) - 1;
      ++taken;
    }
  }
  if (documents.empty())
    throw bad_input(fmt::format("task {}{}: no documents in its {} split", task.name,
                                options.subsets.empty() ? "" : " (" + joined(options.subsets) + ")", task.split),
                    "expected at least one");
  return documents;
}

}  // namespace spectra::eval
