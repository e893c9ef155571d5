// SPDX-License-Identifier: Apache-2.0
// Real clients against a running server: node serve_clients.mjs URL NODE_MODULES. Prints what they saw as JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [url, modules] = process.argv.slice(2);
const require = createRequire(pathToFileURL(modules + "/"));
const load = async (name) => {
  const module = await import(pathToFileURL(require.resolve(name)));
  return module.default && Object.keys(module).length === 1 ? module.default : module;
};
globalThis.AI_SDK_LOG_WARNINGS = false;
const prompt = "Once upon a time", model = "stories", baseURL = url + "/v1", apiKey = "none";
const messages = [{ role: "user", content: "Hi" }];
const seen = { errors: [] };
const join = async (stream, piece) => {
  let text = "";
  for await (const part of stream) text += piece(part);
  return text;
};

const OpenAI = (await load("openai")).OpenAI;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
seen.models = (await client.models.list()).data.map((m) => m.id);
seen.openai = (await client.completions.create({ model, prompt, max_tokens: 20, temperature: 0 })).choices[0].text;
seen.openai_stream = await join(await client.completions.create({ model, prompt, max_tokens: 20, temperature: 0, stream: true }), (c) => c.choices[0].text);
const ids = await client.completions.create({ model, prompt: [[1, 403], [1, 403, 407, 261]], max_tokens: 1, temperature: 0, logprobs: 2, echo: true });
seen.ids = ids.choices.map((c) => c.logprobs.token_logprobs.length);
const chat = await client.chat.completions.create({ model, messages, max_tokens: 20, temperature: 0, logprobs: true, top_logprobs: 3 });
seen.openai_chat = chat.choices[0].message.content;
const stream = await client.chat.completions.create({ model, messages, max_tokens: 20, temperature: 0, stream: true, stream_options: { include_usage: true } });
seen.openai_chat_stream = await join(stream, (c) => c.choices[0]?.delta?.content ?? "");
for (const body of [{ model: "none", prompt }, { model, prompt, max_tokens: -1 }])
  await client.completions.create(body).catch((e) => seen.errors.push([e.constructor.name, e.status, e.code]));

const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const { generateText, streamText } = await load("ai");
const provider = createOpenAICompatible({ name: "spectra", baseURL });
const settings = { maxOutputTokens: 20, temperature: 0, maxRetries: 0 };
seen.ai_chat = (await generateText({ model: provider.chatModel(model), messages, ...settings })).text;
seen.ai_completion = await join(streamText({ model: provider.completionModel(model), prompt, ...settings }).textStream, (t) => t);

const langchain = await load("@langchain/openai");
const options = { model, apiKey, configuration: { baseURL }, maxTokens: 20, temperature: 0, maxRetries: 0 };
seen.langchain_chat = (await new langchain.ChatOpenAI(options).invoke(messages)).content;
seen.langchain_completion = await join(await new langchain.OpenAI(options).stream(prompt), (t) => t);
console.log(JSON.stringify(seen));
