#!/bin/sh
# Installs the npm packages that tests compare with into build/oracles (never needed to build or run spectra).
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/oracles
if [ -d build/oracles/node_modules/@huggingface/tokenizers ]; then exit 0; fi
npm install --loglevel=error --no-audit --no-fund --omit=optional --prefix build/oracles @huggingface/tokenizers@0.2.0
