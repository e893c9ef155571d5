// SPDX-License-Identifier: Apache-2.0
#pragma once
// Data files of tasks, plain or compressed (.gz, .zst, .bz2), and their records:
//   .jsonl, .ndjson   an object a line
//   .json             a list of objects, at the top or under the key `rows`
//   .csv              RFC 4180; the first line names the columns unless `header` does
//   others            by layout: "logiqa" (blank line, letter, context, question, four options), "hellaswag-lines" (six lines a
//                     record: query, label, four endings), "pages" (WikiText: a page begins at a level-1 heading), "whole" (the
//                     file is one text). pages also takes .jsonl, whose texts it joins.
#include <string>
#include <vector>

#include "base/file.h"
#include "eval/task.h"

namespace spectra::eval {

/// Throws Error that says why the first record of the file does not have all that `columns` names. Reads no further.
void check_first_record(const Columns& columns, const fs::path& path);

/// All records of a file in order, with the fields that `columns` gives and those made of them. Throws Error naming file, line and
/// what was expected for a damaged line, a column that is missing and a value of another kind; nothing is skipped.
std::vector<Record> read_records(const Task& task, const Columns& columns, const fs::path& path);

/// "jsonl" of "x.jsonl.gz", "" without one.
std::string data_extension(const fs::path& path);
/// "x" of "x.jsonl.gz".
std::string data_stem(const fs::path& path);

}  // namespace spectra::eval
