#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what the compiler does not: module order, file sizes, licence lines, formatting."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A module may include itself and those before it.
ORDER = ["base", "format", "text", "lowbit", "kernels", "ops", "model", "infer", "train", "quantize", "eval", "analysis", "suite",
         "server", "cli", "api"]
MAX_LINES = 800
HEAVY = {"nlohmann/json.hpp": ".h", "toml++/toml.h": ".h"}  # slow to compile: never in headers


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns], cwd=ROOT, check=True,
                         capture_output=True, text=True).stdout
    return [ROOT / line for line in out.splitlines() if (ROOT / line).exists()]


def check_includes(problems):
    for path in tracked("src/**.h", "src/**.cc"):
        module = path.relative_to(ROOT / "src").parts[0]
        if module not in ORDER:
            problems.append(f"{path.relative_to(ROOT)}: module {module} is not in the order of DESIGN.md")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'#include "([^/"]+)/', line)
            if found and (found.group(1) not in ORDER or ORDER.index(found.group(1)) > ORDER.index(module)):
                problems.append(f"{path.relative_to(ROOT)}:{number}: {module} may not include {found.group(1)}")
            for header, suffix in HEAVY.items():
                if f"<{header}>" in line and path.suffix == suffix:
                    problems.append(f"{path.relative_to(ROOT)}:{number}: {header} belongs in .cc files only")
            if "<CLI/CLI.hpp>" in line and path.name != "parser.cc":
                problems.append(f"{path.relative_to(ROOT)}:{number}: only cli/parser.cc includes CLI11")


def check_files(problems):
    for path in tracked("*.cc", "*.h", "*.c", "*.hpp", "*.cpp", "*.py", "*.sh", "*.cmake", "*.js", "*.mjs", "*.html", "*.css"):
        text = path.read_text()
        lines = text.count("\n")
        recorded = path.is_relative_to(ROOT / "bench/results")  # what a program wrote
        if lines > MAX_LINES and not recorded:
            problems.append(f"{path.relative_to(ROOT)}: {lines} lines, at most {MAX_LINES}")
        if path.suffix in (".cc", ".h", ".c", ".hpp", ".cpp") and not text.startswith("// SPDX-License-Identifier: Apache-2.0\n"):
            problems.append(f"{path.relative_to(ROOT)}: the first line must be the SPDX licence line")


def check_format(problems):
    sources = [str(path) for path in tracked("*.cc", "*.h", "*.c", "*.hpp", "*.cpp")]
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources], capture_output=True, text=True)
    if result.returncode != 0:
        files = sorted({line.split(":")[0] for line in result.stderr.splitlines() if "error:" in line})
        problems += [f"{pathlib.Path(f).relative_to(ROOT)}: not formatted, run `make format`" for f in files]


def main():
    problems = []
    check_includes(problems)
    check_files(problems)
    check_format(problems)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
