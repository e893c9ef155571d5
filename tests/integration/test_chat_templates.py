#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Chat templates as ours and Hugging Face's own interpreter render them: forms that model families use, written for this test."""
import json
import os
import pathlib
import subprocess

import harness

ORACLE = harness.SOURCE / "build/oracles/node_modules/@huggingface/jinja"
RENDER = pathlib.Path(os.environ.get("SPECTRA_RENDER_TEMPLATE", harness.BINARY.parent / "tests/render_template"))
SCRIPT = """
import { Template } from "%s";
import { createInterface } from "node:readline";
for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  let result;
  try { result = { text: new Template(job.template).render(job.variables) }; } catch (error) { result = { error: error.message }; }
  console.log(JSON.stringify(result));
}
"""
TEMPLATES = {
    "tags": """{% for message in messages %}{{'<|start|>' + message['role'] + '\\n' + message['content'] + '<|end|>' + '\\n'}}{% endfor %}
{% if add_generation_prompt %}{{ '<|start|>assistant\\n' }}{% endif %}""",
    "brackets": """{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}
{%- if message['role'] == 'user' -%}{{ '[Q] ' + message['content'] + ' [/Q]' }}{%- elif message['role'] == 'assistant' -%}{{ message['content'] + eos_token }}
{%- else -%}{{ raise_exception('only user and assistant') }}{%- endif -%}{%- endfor -%}""",
    "system first": """{%- if messages[0]['role'] == 'system' -%}
    {%- set system = messages[0]['content'] | trim -%}
    {%- set rest = messages[1:] -%}
{%- else -%}
    {%- set system = 'Be brief.' -%}
    {%- set rest = messages -%}
{%- endif -%}
{{ '## ' ~ system ~ '\\n' }}
{%- for m in rest %}
{{ loop.index }}/{{ loop.length }} {{ m.role | upper }}: {{ m.content.strip() }}{{ '.' if loop.last else ';' }}
{% endfor %}""",
    "namespace": """{% set ns = namespace(count=0, last='') %}
{% for m in messages %}
  {% if m.role == 'user' %}
    {% set ns.count = ns.count + 1 %}
    {% set ns.last = m.content %}
  {% endif %}
{% endfor %}
{{ ns.count }} {{ ns.last | tojson }} {{ messages | length }} {{ messages | tojson }}""",
    "tests": """{% if tools is defined and tools %}{{ tools | tojson }}{% endif %}{% if not tools is defined %}none{% endif %}
{{ (messages | last).content.split(' ')[0] }}{{ 'in' if messages[-1]['role'] in ['user', 'tool'] else 'out' }}{{ 'x' if bos_token is string else 'y' }}""",
    "white space": """
  {# a comment #}
  {% if true %}
    a
  {% endif %}
  {%- if true %} b {% endif -%}
  c
{{- ' d ' }}
""",
}
CHATS = [
    [{"role": "user", "content": "Hi"}],
    [{"role": "system", "content": "  Tell stories. "}, {"role": "user", "content": "A \"cat\"\nand <b> é"}, {"role": "assistant", "content": " Once "},
     {"role": "user", "content": "More please"}],
    [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}],
]


def lines(command, jobs):
    text = "\n".join(json.dumps(job) for job in jobs) + "\n"
    result = subprocess.run([str(c) for c in command], input=text, capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in result.stdout.splitlines()]


class ChatTemplates(harness.Case):
    def test_same_text(self):
        jobs = [{"template": template, "variables": {"messages": chat, "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True}}
                for template in TEMPLATES.values() for chat in CHATS]
        ours = lines([RENDER], jobs)
        script = self.directory / "oracle.mjs"
        script.write_text(SCRIPT % (ORACLE / "dist/index.js").as_posix())
        theirs = lines(["node", script], jobs)
        for job, mine, other in zip(jobs, ours, theirs):
            self.assertEqual("text" in mine, "text" in other, (job, mine, other))
            self.assertEqual(mine.get("text"), other.get("text"), job["template"])
        self.assertGreater(sum("text" in o for o in ours), 14)


if __name__ == "__main__":
    harness.main(ORACLE, RENDER)
