#!/bin/sh
# Runs every fuzz target in BUILD for SECONDS, from its seeds in tests/fuzz/seeds/TARGET. A finding fails the run.
set -eu
build=$1
seconds=$2
here=$(cd "$(dirname "$0")" && pwd)
for target in "$build"/tests/fuzz/fuzz_*; do
  [ -x "$target" ] && [ -f "$target" ] || continue
  name=$(basename "$target")
  mkdir -p "$build/corpus/$name"
  seeds="$here/seeds/$name"
  [ -d "$seeds" ] || seeds=""
  echo "$name: $seconds s"
  # shellcheck disable=SC2086
  (cd "$build" && "./tests/fuzz/$name" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 -print_final_stats=0 -print_funcs=0 -verbosity=0 "corpus/$name" $seeds)
done
