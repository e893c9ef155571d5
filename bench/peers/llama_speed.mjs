// SPDX-License-Identifier: Apache-2.0
// Speed of llama.cpp (npm node-llama-cpp) on a GGUF file, measured like llama-bench: the context's own batch calls, no text, no
// sampling of the prompt. Prints one JSON object.
//
//   node bench/peers/llama_speed.mjs MODEL.gguf [--threads 2] [--prompt 512] [--generate 64] [--repeats 3] [--flash-attention]
//                                               [--sequences 1] [--modules build/oracles/node_modules]
//
//   prefill   a prompt of random tokens in one batch, logits of the last token
//   decode    single tokens after that prompt, logits computed and not looked at (what llama-bench calls tg)
//             with --sequences N one token of each of N sequences in one batch, without a prompt; tokens of all
//   greedy    the same with the most probable token taken each time: adds llama.cpp's sampler to each step
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

const { values: option, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "2" },
    prompt: { type: "string", default: "512" },
    generate: { type: "string", default: "64" },
    repeats: { type: "string", default: "3" },
    sequences: { type: "string", default: "1" },
    "flash-attention": { type: "boolean", default: false },
    modules: { type: "string", default: new URL("../../build/oracles/node_modules", import.meta.url).pathname },
  },
});
const [threads, prompt, generate, repeats, sequences] = [option.threads, option.prompt, option.generate, option.repeats, option.sequences].map(Number);
const library = createRequire(resolve(option.modules, "_"))
const { getLlama, LlamaLogLevel } = await import(library.resolve("node-llama-cpp"));

const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: LlamaLogLevel.error, maxThreads: threads });
const model = await llama.loadModel({ modelPath: resolve(positionals[0]), gpuLayers: 0 });
const context = await model.createContext({
  contextSize: prompt + generate + 8, sequences, batchSize: Math.max(prompt, 32), threads: { ideal: threads, min: threads },
  flashAttention: option["flash-attention"],
});
const native = context._ctx;
native.setThreads(threads);
const sampler = new llama._bindings.AddonSampler(model._model);
sampler.applyConfig({ temperature: 0 });

const first = Uint32Array.of(0), none = new Uint32Array(0);
async function evaluate(tokens, position, wantsLogits) {
  native.initBatch(tokens.length);
  const at = native.addToBatch(0, position, tokens, wantsLogits ? Uint32Array.of(tokens.length - 1) : none);
  await native.decodeBatch();
  return at[0];
}
const clear = () => native.removeTokenCellsFromSequence(0, 0, -1);
const rate = (count, begin) => count / ((performance.now() - begin) / 1000);

let state = 1;
const random = () => (state = (state * 48271) % 2147483647) % 50000;
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const tokens = Uint32Array.from({ length: prompt }, () => random() % vocabulary);

const prefill = [], decode = [], greedy = [];
async function together() {
  for (let s = 0; s < sequences; ++s) native.removeTokenCellsFromSequence(s, 0, -1);
  const begin = performance.now();
  for (let n = 0; n < generate; ++n) {
    native.initBatch(sequences);
    for (let s = 0; s < sequences; ++s) native.addToBatch(s, n, Uint32Array.of(random() % vocabulary), Uint32Array.of(0));
    await native.decodeBatch();
  }
  decode.push(rate(generate * sequences, begin));
}
await evaluate(tokens.subarray(0, Math.min(prompt, 32)), 0, true);  // warm up
for (let i = 0; i < repeats; ++i) {
  if (sequences > 1) {
    await together();
    continue;
  }
  clear();
  let begin = performance.now();
  let at = await evaluate(tokens, 0, true);
  prefill.push(rate(prompt, begin));

  begin = performance.now();
  for (let n = 0; n < generate; ++n) await evaluate(tokens.subarray(n % prompt, n % prompt + 1), prompt + n, true);
  decode.push(rate(generate, begin));

  clear();
  at = await evaluate(tokens, 0, true);
  begin = performance.now();
  for (let n = 0; n < generate; ++n) {
    first[0] = await native.sampleToken(at, sampler);
    at = await evaluate(first, prompt + n, true);
  }
  greedy.push(rate(generate, begin));
}
const summary = (list) => {
  const sorted = [...list].sort((a, b) => a - b);
  return { min: sorted[0], median: sorted[Math.floor(sorted.length / 2)], max: sorted[sorted.length - 1] };
};
console.log(JSON.stringify({
  model: positionals[0], threads: native.getThreads(), prompt, generate, repeats, flash_attention: option["flash-attention"],
  release: llama.llamaCppRelease.release, system: llama.systemInfo,
  prefill_tokens_per_second: summary(prefill), decode_tokens_per_second: summary(decode), greedy_tokens_per_second: summary(greedy),
  peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
}));
process.exit(0);
