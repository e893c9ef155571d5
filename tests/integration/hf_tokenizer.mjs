// SPDX-License-Identifier: Apache-2.0
// Reads {"module", "tokenizer", "config", "texts"} on stdin; prints the ids that Hugging Face's tokenizer gives each text.
import { readFileSync } from "node:fs";

const input = JSON.parse(readFileSync(0, "utf8"));
const { Tokenizer } = await import(input.module);
const tokenizer = new Tokenizer(JSON.parse(input.tokenizer), JSON.parse(input.config));
const ids = input.texts.map((text) => Array.from(tokenizer.encode(text, { add_special_tokens: false }).ids));
const decoded = ids.map((list) => list.length === 0 ? "" : tokenizer.decode(list, { skip_special_tokens: false, clean_up_tokenization_spaces: false }));
process.stdout.write(JSON.stringify({ ids, decoded }));
