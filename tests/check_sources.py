#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what the compiler does not: which module includes which, standard headers, sizes, licence lines, formatting.

check_sources.py           prints each problem and fails where there is one
check_sources.py --graph   prints the modules, each with those it includes and how often"""
import collections
import pathlib
import re
import statistics
import subprocess
import sys

import std_headers

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_FILE, MEDIAN_FILE = 500, 75  # lines
MAX_FUNCTION = 40  # lines, at the 99th percentile, outside kernels
KERNELS = ("kernels", "simd")  # their functions are long where loops are written out
HEAVY = {"nlohmann/json.hpp", "toml++/toml.h"}  # slow to compile: never in headers
CODE = ("*.cc", "*.h", "*.c", "*.hpp", "*.cpp")


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns], cwd=ROOT, check=True,
                         capture_output=True, text=True).stdout
    return [ROOT / line for line in out.splitlines() if (ROOT / line).exists()]


def name_of(path):
    return str(path.relative_to(ROOT))


def module_of(path):
    return path.relative_to(ROOT / "src").parts[0]


def read_modules(problems):
    """{module: those it may include}, in order, from src/modules.txt."""
    allowed = {}
    for number, line in enumerate((ROOT / "src/modules.txt").read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        module, names = line.split(":")
        for name in names.split():
            if name not in allowed:
                problems.append(f"src/modules.txt:{number}: {name} does not stand above {module}")
        allowed[module] = set(names.split())
    return allowed


def module_sources():
    return [path for path in tracked("src/**.h", "src/**.cc")]


def includes_of_modules():
    """(path, line number, included module) for every #include of another module."""
    for path in module_sources():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'#include "([^/"]+)/', line)
            if found and found.group(1) != module_of(path):
                yield path, number, found.group(1)


def check_modules(problems):
    allowed = read_modules(problems)
    unused = {module: set(names) for module, names in allowed.items()}
    for module in sorted({module_of(path) for path in module_sources()} - set(allowed)):
        problems.append(f"src/{module} is not in src/modules.txt")
    for path, number, other in includes_of_modules():
        module = module_of(path)
        if other not in allowed.get(module, ()):
            problems.append(f"{name_of(path)}:{number}: {module} may not include {other} (src/modules.txt)")
        unused.get(module, set()).discard(other)
    for module, names in unused.items():
        for name in sorted(names):
            problems.append(f"src/modules.txt: {module} does not include {name}")


def check_headers(problems):
    for path in module_sources():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if path.suffix == ".h" and any(f"<{header}>" in line for header in HEAVY):
                problems.append(f"{name_of(path)}:{number}: a header that is slow to compile belongs in .cc files only")
            if "<CLI/CLI.hpp>" in line and path.name != "parser.cc":
                problems.append(f"{name_of(path)}:{number}: only cli/parser.cc includes CLI11")


def find_header(name, includer):
    for folder in (ROOT / "src", includer.parent, ROOT / "tests", ROOT / "tests/unit", ROOT / "include"):
        if (folder / name).is_file():
            return folder / name
    return None


def check_standard_headers(problems):
    sources = std_headers.Sources(find_header)
    for path in tracked("src/**.h", "src/**.cc", "tests/**.h", "tests/**.cc", "include/**"):
        for number, name, header in sources.missing(path):
            problems.append(f"{name_of(path)}:{number}: std::{name} needs #include <{header}>")


def check_files(problems):
    for path in tracked(*CODE, "*.py", "*.sh", "*.cmake", "*.js", "*.mjs", "*.html", "*.css"):
        text = path.read_text()
        lines = text.count("\n")
        recorded = path.is_relative_to(ROOT / "bench/results")  # what a program wrote
        if lines > MAX_FILE and not recorded:
            problems.append(f"{name_of(path)}: {lines} lines, at most {MAX_FILE}")
        if path.suffix in (".cc", ".h", ".c", ".hpp", ".cpp") and not text.startswith("// SPDX-License-Identifier: Apache-2.0\n"):
            problems.append(f"{name_of(path)}: the first line must be the SPDX licence line")
    median = statistics.median(path.read_text().count("\n") for path in module_sources())
    if median > MEDIAN_FILE:
        problems.append(f"src: half of the files have more than {median:.0f} lines, at most {MEDIAN_FILE}")


def check_functions(problems):
    files = "\n".join(str(path) for path in module_sources() if module_of(path) not in KERNELS)
    tags = subprocess.run(["ctags", "--languages=C++", "--kinds-C++=f", "--fields=+ne", "--sort=no", "-f", "-", "-L", "-"],
                          input=files, capture_output=True, text=True, check=True).stdout
    lengths = []
    for tag in tags.splitlines():
        name, path, *fields = tag.split("\t")
        place = dict(field.split(":", 1) for field in fields if ":" in field)
        if "end" in place:
            lengths.append((int(place["end"]) - int(place["line"]) + 1, f"{name_of(pathlib.Path(path))}:{place['line']}: {name}"))
    lengths.sort()
    allowed = len(lengths) // 100
    if len(lengths) > 0 and lengths[-allowed - 1][0] > MAX_FUNCTION:
        for length, where in lengths[-allowed - 1:]:
            problems.append(f"{where} has {length} lines; 99 of 100 functions have at most {MAX_FUNCTION}")


def check_format(problems):
    sources = [str(path) for path in tracked(*CODE)]
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources], capture_output=True, text=True)
    if result.returncode != 0:
        files = sorted({line.split(":")[0] for line in result.stderr.splitlines() if "error:" in line})
        problems += [f"{name_of(pathlib.Path(f))}: not formatted, run `make format`" for f in files]


def print_graph():
    counts = collections.defaultdict(collections.Counter)
    for path, _, other in includes_of_modules():
        counts[module_of(path)][other] += 1
    order = list(read_modules([]))
    for module in order:
        print(f"{module:9}", " ".join(f"{other} ({counts[module][other]})" for other in order if other in counts[module]))


def main():
    if sys.argv[1:] == ["--graph"]:
        print_graph()
        return 0
    problems = []
    for check in (check_modules, check_headers, check_standard_headers, check_files, check_functions, check_format):
        check(problems)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
