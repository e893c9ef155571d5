#!/bin/sh
# Installs the npm packages that tests and benchmarks compare with into build/oracles (never needed to build or run spectra):
# Hugging Face's tokenizers and GGUF reader, and llama.cpp as built by node-llama-cpp. Its install script is not run, as it would
# look for a compiler; the plain install's optional packages would be 700 MB for GPUs.
set -eu
cd "$(dirname "$0")/.."
packages="@huggingface/tokenizers@0.2.0 @huggingface/gguf@0.4.6 @huggingface/jinja@0.5.11 node-llama-cpp@3.22.1"
packages="$packages openai@6.30.1 ai@7.0.173 @ai-sdk/openai-compatible@3.0.92 @langchain/openai@1.6.0 @langchain/core@1.4.0 playwright-core@1.64.1"
if [ "$(uname -sm)" = "Linux x86_64" ]; then packages="$packages @node-llama-cpp/linux-x64@3.22.1"; fi
mkdir -p build/oracles
if [ "$(cat build/oracles/installed 2>/dev/null)" = "$packages" ]; then exit 0; fi
# shellcheck disable=SC2086
npm install --loglevel=error --no-audit --no-fund --omit=optional --ignore-scripts --prefix build/oracles $packages
echo "$packages" >build/oracles/installed
