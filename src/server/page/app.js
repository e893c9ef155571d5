// SPDX-License-Identifier: Apache-2.0
"use strict";
const $ = (id) => document.getElementById(id);
const NUMBERS = ["max_tokens", "temperature", "top_p", "top_k", "min_p", "repetition_penalty"];
const ALTERNATIVES = 5;
let running = null;  // AbortController of the request under way
let cardRequests = 0;  // only the answer to the last one is shown

function element(name, text, className) {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
}

function headers() {
  const key = $("key").value;
  return key ? { "Content-Type": "application/json", Authorization: "Bearer " + key } : { "Content-Type": "application/json" };
}

async function get(path) {
  const answer = await fetch(path, { headers: headers() });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error.message);
  return body;
}

function show(text, failed) {
  $("status").textContent = text;
  $("status").className = failed ? "error" : "";
}

// Model card

function size(bytes) {
  return bytes >= 1e9 ? (bytes / 1e9).toFixed(2) + " GB" : (bytes / 1e6).toFixed(1) + " MB";
}

function count(n) {
  return n >= 1e9 ? (n / 1e9).toFixed(2) + " billion" : n >= 1e6 ? (n / 1e6).toFixed(1) + " million" : n.toLocaleString("en");
}

function drawLayers(zeros) {
  const svgName = "http://www.w3.org/2000/svg";
  $("layers").textContent = "";
  if (!zeros) return;
  const svg = document.createElementNS(svgName, "svg");
  svg.setAttribute("viewBox", `0 0 ${zeros.length * 10} 50`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Share of zero weights by layer");
  zeros.forEach((share, layer) => {
    const bar = document.createElementNS(svgName, "rect");
    bar.setAttribute("x", layer * 10 + 1);
    bar.setAttribute("width", 8);
    bar.setAttribute("y", 50 - 50 * share);
    bar.setAttribute("height", 50 * share);
    bar.setAttribute("class", "bar");
    const title = document.createElementNS(svgName, "title");
    title.textContent = `layer ${layer}: ${(100 * share).toFixed(2)} % zeros`;
    bar.append(title);
    svg.append(bar);
  });
  $("layers").append(element("p", "Share of zero weights by layer", "hint"), svg);
}

async function showCard() {
  const card = $("card"), mine = ++cardRequests;
  try {
    const model = await get("v1/models/" + encodeURIComponent($("model").value));
    if (mine !== cardRequests) return;
    const s = model.spectra;
    card.textContent = "";
    if (!s) {
      setTimeout(() => mine === cardRequests && showCard(), 500);  // the weights are still being counted
      return;
    }
    const rows = [["Family", s.family], ["Parameters", count(s.parameters)], ["Size on disk", size(s.bytes)],
      ["Bits a linear weight", s.bits_per_linear_weight.toFixed(2)], ["Layout", s.format || "unpacked"],
      ["Shape", `${s.layers} layers, ${s.hidden} wide, ${s.heads} heads`], ["Context", `${s.context} tokens`],
      ["Computes in", `${s.activations} activations, ${s.kv} keys and values, ${s.head} head, ${s.kernels}`]];
    if (s.zero_fraction !== undefined) rows.push(["Zero weights", (100 * s.zero_fraction).toFixed(2) + " %"]);
    for (const [name, value] of rows) card.append(element("dt", name), element("dd", value));
    drawLayers(s.zero_fraction_of_layers);
  } catch (error) {
    if (mine !== cardRequests) return;
    card.textContent = "";
    card.append(element("dt", "Error"), element("dd", error.message, "error"));
  }
}

async function listModels() {
  try {
    const chosen = $("model").value;
    const models = (await get("v1/models")).data;
    $("model").textContent = "";
    for (const model of models) $("model").append(element("option", model.id));
    if (models.some((m) => m.id === chosen)) $("model").value = chosen;
    show("");
    await showCard();
  } catch (error) {
    show(error.message, true);
  }
}

// Tokens

function probability(logprob) {
  const p = 100 * Math.exp(logprob);
  return p >= 0.05 ? p.toFixed(1) + " %" : "< 0.1 %";
}

function visible(token) {
  return token.replace(/\n/g, "\u21b5").replace(/\t/g, "\u21e5").replace(/ /g, "\u00b7");
}

/// Usually one token; several where a character or the text before a possible stop came at once.
function showDetail(span) {
  const tables = span.parts.map((part) => {
    const table = element("table"), head = element("tr");
    for (const [name, columns] of [["Token", 1], ["Probability", 2]]) {
      const cell = element("th", name);
      cell.scope = "col";
      cell.colSpan = columns;
      head.append(cell);
    }
    table.createTHead().append(head);
    const body = table.createTBody();
    for (const [token, logprob] of part.alternatives) {
      const row = element("tr", undefined, token === part.token ? "chosen" : "");
      const meter = element("meter");
      meter.value = Math.exp(logprob);
      meter.setAttribute("aria-label", `Probability of ${visible(token)}`);
      const bar = element("td");
      bar.append(meter);
      row.append(element("td", visible(token)), element("td", probability(logprob)), bar);
      body.append(row);
    }
    return table;
  });
  $("detail").replaceChildren(...tables);
}

/// `waiting`: tokens whose text has not come yet. What they spell may differ from the text: a stop is not shown, nor is an end.
function addText(choice, waiting) {
  const list = choice.logprobs;
  list.tokens.forEach((token, i) => waiting.push({
    token, logprob: list.token_logprobs[i], alternatives: Object.entries(list.top_logprobs[i]).sort((a, b) => b[1] - a[1]),
  }));
  if (!choice.text) return;
  const span = element("span", choice.text, "token");
  span.parts = waiting.splice(0);
  span.tabIndex = $("out").querySelector("[tabindex='0']") ? -1 : 0;
  if (span.parts.length) {
    const logprob = span.parts.reduce((sum, part) => sum + part.logprob, 0);
    span.title = probability(logprob);
    span.style.backgroundColor = `rgb(var(--hot) / ${Math.min(0.45, -logprob / 12).toFixed(3)})`;  // the darker the less expected
  }
  $("out").append(span);
}

function moveFocus(event) {
  const step = { ArrowRight: "nextSibling", ArrowLeft: "previousSibling" }[event.key];
  const next = step && event.target[step];
  if (!next || !next.parts) return;
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  event.preventDefault();
}

// Generation

function request() {
  const body = { model: $("model").value, prompt: $("prompt").value, stream: true, logprobs: ALTERNATIVES, stream_options: { include_usage: true } };
  for (const name of NUMBERS) if ($(name).value !== "") body[name] = Number($(name).value);
  if ($("seed").value !== "") body.seed = Number($("seed").value);
  if ($("stop").value !== "") body.stop = [$("stop").value.replace(/\\n/g, "\n")];
  return body;
}

async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    let end;
    while ((end = buffer.indexOf("\n\n")) >= 0) {
      const line = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      if (line === "data: [DONE]") return;
      if (line.startsWith("data: ")) yield JSON.parse(line.slice(6));
    }
  }
}

async function generate() {
  if (running) return;
  running = new AbortController();
  $("go").disabled = true;
  $("halt").disabled = false;
  $("detail").textContent = "";
  $("out").replaceChildren(element("span", $("prompt").value, "prompt"));
  show("waiting for the first token");
  let tokens = 0, first = 0, reason = "";
  const waiting = [];
  try {
    const answer = await fetch("v1/completions", { method: "POST", headers: headers(), body: JSON.stringify(request()), signal: running.signal });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    for await (const chunk of events(answer)) {
      if (chunk.error) throw new Error(chunk.error.message);
      if (!first) show("generating");
      first = first || performance.now();
      for (const choice of chunk.choices) {
        tokens += choice.logprobs.tokens.length;
        addText(choice, waiting);
        reason = choice.finish_reason || reason;
      }
      if (chunk.usage) tokens = chunk.usage.completion_tokens;
    }
    const seconds = (performance.now() - first) / 1000;
    const speed = tokens > 1 && seconds > 0 ? `, ${((tokens - 1) / seconds).toFixed(1)} tokens/s` : "";
    show(`${tokens} ${tokens === 1 ? "token" : "tokens"}${speed}, ended by ${reason}`);
  } catch (error) {
    if (error.name === "AbortError") show(`stopped after ${tokens} tokens`);
    else show(error.message, true);
  }
  running = null;
  $("go").disabled = false;
  $("halt").disabled = true;
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  generate();
});
$("halt").addEventListener("click", () => running && running.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
  if (event.key === "Escape" && running) running.abort();
});
$("model").addEventListener("change", showCard);
$("key").addEventListener("change", listModels);
for (const kind of ["mouseover", "focusin"])
  $("out").addEventListener(kind, (event) => event.target.parts && showDetail(event.target));
$("out").addEventListener("keydown", moveFocus);
listModels();
