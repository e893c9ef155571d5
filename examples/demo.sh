#!/bin/sh
# From nothing to two small language models and a page that compares them. Usage: examples/demo.sh SPECTRA OUT
# DEMO_STORIES and DEMO_TOKENS make it shorter. FloatLM and TriLM see the same stories in the same order; the TriLM is then packed, losslessly, and run from the packed file.
set -eu
spectra=$1
out=$2
recipes=$(dirname "$0")/../recipes
say() { printf '\n== %s\n' "$1" >&2; }

rm -rf "$out"
say "Stories and a tokenizer trained on them"
"$spectra" prepare --synthetic stories --stories "${DEMO_STORIES:-60000}" --train-tokenizer 2048 --out "$out/data"
for family in float tri; do
  say "Training $family"
  "$spectra" train "$recipes/demo-$family.toml" --set data.path="$out/data" ${DEMO_TOKENS:+--set train.tokens="$DEMO_TOKENS"} --out "$out/$family"
done
say "Packing the ternary model to 1.6 bits a weight"
"$spectra" pack "$(ls -d "$out"/tri/checkpoints/step-* | tail -n 1)" --format 1.6bit --out "$out/packed"
say "What they write"
mkdir -p "$out/samples"
write() { "$spectra" generate "$1" --prompt "$3" --temperature 0 --max-tokens 120 --json > "$out/samples/$2.json"; }
write "$(ls -d "$out"/float/checkpoints/step-* | tail -n 1)" float "Once upon a time"
write "$out/packed" tri-packed "Once upon a time"
"$spectra" generate "$out/packed" --prompt "Once upon a time" --echo --temperature 0 --max-tokens 120
"$spectra" report "$out/float" "$out/tri" --title "FloatLM and TriLM on the same stories" \
  --sample "$out/samples/float.json" --sample "$out/samples/tri-packed.json" --out "$out/report.html"
say "Open $out/report.html in a browser"
