// SPDX-License-Identifier: Apache-2.0
// Reads {"modules", "files": [{"path", "texts", "ids"}]} on stdin. For each GGUF file prints what real llama.cpp makes of it: the
// tokens of each text, and for each list of ids the probabilities of the next token; and what @huggingface/gguf reads from it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const input = JSON.parse(readFileSync(0, "utf8"));
const library = createRequire(`${input.modules}/_`);
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(library.resolve("node-llama-cpp")));
const { gguf } = await import(pathToFileURL(library.resolve("@huggingface/gguf")));
const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: LlamaLogLevel.error, maxThreads: 1 });

const results = [];
for (const file of input.files) {
  const model = await llama.loadModel({ modelPath: file.path, gpuLayers: 0 });
  const context = await model.createContext({ contextSize: 128, threads: 1 });
  const sequence = context.getSequence();
  const probabilities = [];
  for (const ids of file.ids) {
    await sequence.clearHistory();
    const wanted = { generateNext: { probabilities: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } } };
    const output = await sequence.controlledEvaluate([...ids.slice(0, -1), [ids.at(-1), wanted]]);
    const top = [...output[ids.length - 1].next.probabilities].sort((a, b) => b[1] - a[1]).slice(0, 200);
    probabilities.push(Object.fromEntries(top));
  }
  const tokens = file.texts.map((text) => model.tokenize(text, true));
  await context.dispose();
  await model.dispose();

  const { metadata, tensorInfos } = await gguf(file.path, { allowLocalFile: true });
  const plain = {};
  for (const [key, value] of Object.entries(metadata)) plain[key] = typeof value === "bigint" ? Number(value) : value;
  const tensors = tensorInfos.map((t) => ({ name: t.name, shape: t.shape.map(Number), type: t.dtype, offset: Number(t.offset) }));
  results.push({ probabilities, tokens, metadata: plain, tensors });
}
process.stdout.write(JSON.stringify(results), () => process.exit(0));
