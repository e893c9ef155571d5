#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""spectra serve: the protocol, on a really trained model."""
import json
import pathlib
import shutil
import subprocess
import threading
import time

import harness
from harness import DATA, SOURCE, spectra, spectra_json
from served import Server

MODEL = DATA / "model/stories260k"
ORACLES = SOURCE / "build/oracles/node_modules"
CLIENTS = pathlib.Path(__file__).with_name("serve_clients.mjs")
EOS = 2


class Serve(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.temporary = harness.tempfile.TemporaryDirectory(prefix="spectra-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.model = pathlib.Path(cls.temporary.name) / "stories"
        spectra("convert", MODEL / "stories260K.bin", cls.model, "--tokenizer", MODEL / "tok512.bin")
        cls.server = cls.enterClassContext(Server(cls.model, "--max-concurrent", 8))

    def complete(self, **body):
        return self.server.json("/v1/completions", {"temperature": 0, **body})

    def test_text_is_that_of_generate(self):
        expected = spectra_json("generate", self.model, "--prompt", "Once upon a time", "-n", 40)
        answer = self.complete(prompt="Once upon a time", max_tokens=40)
        self.assertEqual(answer["choices"][0]["text"], expected["text"])
        self.assertEqual(answer["choices"][0]["finish_reason"], "length")
        self.assertEqual(answer["usage"], {"prompt_tokens": expected["prompt_tokens"], "completion_tokens": 40,
                                           "total_tokens": expected["prompt_tokens"] + 40})
        events = self.server.events("/v1/completions", {"prompt": "Once upon a time", "max_tokens": 40, "temperature": 0,
                                                        "stream_options": {"include_usage": True}})
        self.assertEqual("".join(c["text"] for e in events for c in e["choices"]), expected["text"])
        self.assertEqual(events[-1]["usage"], answer["usage"])
        self.assertEqual(events[-2]["choices"][0]["finish_reason"], "length")

    def test_what_runs_beside_changes_nothing(self):
        bodies = [{"prompt": f"{name} went", "max_tokens": 30, "temperature": 0.9, "seed": i} for i, name in enumerate(["Tom", "Lily", "A cat"] * 5)]
        alone = [self.complete(**body)["choices"][0]["text"] for body in bodies]
        together = [None] * len(bodies)

        def one(i):
            together[i] = self.complete(**bodies[i])["choices"][0]["text"]

        threads = [threading.Thread(target=one, args=(i,)) for i in range(len(bodies))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(together, alone)

    def test_known_logprobs_by_the_protocol_of_the_harness(self):
        for line in (MODEL / "logprobs.jsonl").read_text().splitlines():
            known = json.loads(line)
            answer = self.server.json("/v1/completions", {"prompt": [known["ids"]], "temperature": 0, "max_tokens": 1, "logprobs": 1,
                                                          "echo": True, "seed": 1234})
            logprobs = answer["choices"][0]["logprobs"]
            values, tops = logprobs["token_logprobs"], logprobs["top_logprobs"]
            self.assertEqual(len(values), len(known["ids"]) + 1)  # exactly one generated
            self.assertIsNone(values[0])
            self.assertIsNone(tops[0])
            for context in (1, len(known["ids"]) // 2):
                self.assertAlmostEqual(sum(values[context:-1]), sum(known["logprobs"][context - 1:]), delta=1e-3)
            for i, top_id in enumerate(known["top1"][:len(known["ids"]) - 1]):
                greedy = max(tops[i + 1].values()) == values[i + 1]  # float-equal, as the harness compares
                self.assertEqual(greedy, top_id == known["ids"][i + 1], i)

    def test_scores_of_the_harness_are_those_of_eval(self):
        scores = self.directory / "scores.jsonl"
        spectra("eval", self.model, "--tasks", "arc_easy,crows_pairs_english", "--data", DATA / "eval", "--limit", 12, "--dump-scores", scores)
        compared = 0
        for line in map(json.loads, scores.read_text().splitlines()):
            for ids, scored, expected, greedy in zip(line["ids"], line["scored"], line["logprobs"], line["greedy"]):
                answer = self.server.json("/v1/completions", {"prompt": [ids], "temperature": 0, "max_tokens": 1, "logprobs": 1, "echo": True, "seed": 1234})
                values, tops = (answer["choices"][0]["logprobs"][key] for key in ("token_logprobs", "top_logprobs"))
                places = range(len(ids) - scored, len(values) - 1)  # the last entry was generated
                self.assertEqual(len(places), scored)
                self.assertAlmostEqual(sum(values[i] for i in places), expected, delta=2e-6 * scored)
                self.assertEqual(all(values[i] == max(tops[i].values()) for i in places), bool(greedy))
                compared += 1
        self.assertGreater(compared, 60)

    def test_a_generated_eos_is_one_entry(self):
        answer = self.complete(prompt=[[1, 403, 407]], max_tokens=1, logprobs=1, echo=True, logit_bias={str(EOS): 100})
        choice = answer["choices"][0]
        self.assertEqual(len(choice["logprobs"]["tokens"]), 4)
        self.assertEqual(choice["finish_reason"], "stop")
        self.assertEqual(answer["usage"]["completion_tokens"], 0)
        self.assertNotIn("</s>", choice["text"])
        kept = self.complete(prompt=[[1, 403, 407]], max_tokens=3, logit_bias={str(EOS): 100}, ignore_eos=True)
        self.assertEqual(kept["usage"]["completion_tokens"], 3)

    def test_echo_offsets_and_names(self):
        choice = self.complete(prompt="Zoë", max_tokens=2, logprobs=3, echo=True)["choices"][0]
        logprobs = choice["logprobs"]
        self.assertTrue(choice["text"].startswith("Zoë"))
        self.assertEqual(len({len(logprobs[k]) for k in logprobs}), 1)
        for name, top in list(zip(logprobs["tokens"], logprobs["top_logprobs"]))[1:]:
            self.assertIn(name, top)
            self.assertIn(len(top), (3, 4))
        for prompt in ("Zoë went", [1, *self.server.json("/tokenize", {"prompt": "Zoë went", "add_special_tokens": False})["tokens"]]):
            shown = self.complete(prompt=prompt, max_tokens=5, logprobs=0, echo=True)["choices"][0]
            ends = [*shown["logprobs"]["text_offset"][1:], len(shown["text"])]
            for token, begin, end in zip(shown["logprobs"]["tokens"], shown["logprobs"]["text_offset"], ends):
                if "\ufffd" not in token and end > begin:
                    self.assertEqual(token.strip(), shown["text"][begin:end].strip())
            self.assertTrue(shown["text"][:ends[-6]].endswith("went"), shown)
            streamed = self.server.events("/v1/completions", {"prompt": prompt, "max_tokens": 5, "temperature": 0, "logprobs": 0, "echo": True})
            self.assertEqual([o for e in streamed for o in e["choices"][0]["logprobs"]["text_offset"]], shown["logprobs"]["text_offset"])
        only = self.complete(prompt="Zoë", max_tokens=0, logprobs=0, echo=True)["choices"][0]
        self.assertEqual(only["text"], "Zoë")
        self.assertEqual(only["logprobs"]["tokens"], logprobs["tokens"][:-2])
        self.assertEqual(only["logprobs"]["token_logprobs"], logprobs["token_logprobs"][:-2])
        ids = self.complete(prompt="Zoë", max_tokens=1, logprobs=1, return_tokens_as_token_ids=True)["choices"][0]
        self.assertRegex(ids["logprobs"]["tokens"][0], r"^token_id:\d+$")

    def test_stops_are_never_shown(self):
        whole = self.complete(prompt="Once upon a time", max_tokens=60)["choices"][0]["text"]
        stop = whole[len(whole) // 2:len(whole) // 2 + 5]
        expected = whole[:whole.index(stop)]
        for stops in (stop, ["never seen", stop]):
            choice = self.complete(prompt="Once upon a time", max_tokens=60, stop=stops)["choices"][0]
            self.assertEqual((choice["text"], choice["finish_reason"]), (expected, "stop"))
        events = self.server.events("/v1/completions", {"prompt": "Once upon a time", "max_tokens": 60, "stop": stop, "temperature": 0})
        self.assertEqual("".join(e["choices"][0]["text"] for e in events), expected)

    def test_several_prompts_and_texts(self):
        answer = self.complete(prompt=["Tom", "Lily"], n=2, best_of=3, max_tokens=8, temperature=1, seed=3)
        self.assertEqual([c["index"] for c in answer["choices"]], [0, 1, 2, 3])
        self.assertEqual(answer["usage"]["completion_tokens"], 2 * 3 * 8)
        single = [self.complete(prompt=p, n=3, max_tokens=8, temperature=1, seed=3, logprobs=0)["choices"] for p in ("Tom", "Lily")]
        for pair, all_texts in zip((answer["choices"][:2], answer["choices"][2:]), single):
            best = sorted(all_texts, key=lambda c: -sum(c["logprobs"]["token_logprobs"]) / len(c["logprobs"]["token_logprobs"]))[:2]
            self.assertEqual(sorted(c["text"] for c in pair), sorted(c["text"] for c in best))

    def test_equal_prompts_get_texts_of_their_own(self):
        texts = [c["text"] for c in self.complete(prompt=["Tom"] * 4, max_tokens=30, temperature=1)["choices"]]
        self.assertEqual(len(set(texts)), 4)
        seeded = [c["text"] for c in self.complete(prompt=["Tom"] * 2, max_tokens=30, temperature=1, seed=5)["choices"]]
        self.assertEqual(len(set(seeded)), 1)

    def test_penalties_and_biases(self):
        plain = self.complete(prompt="Tom", max_tokens=40, logprobs=0)["choices"][0]["logprobs"]["tokens"]
        changed = self.complete(prompt="Tom", max_tokens=40, logprobs=0, frequency_penalty=2)["choices"][0]["logprobs"]["tokens"]
        self.assertLess(max(changed.count(t) for t in changed), max(plain.count(t) for t in plain))
        first = self.server.json("/tokenize", {"prompt": plain[0], "add_special_tokens": False})["tokens"]
        banned = self.complete(prompt="Tom", max_tokens=1, logprobs=0, logit_bias={str(t): -100 for t in first})
        self.assertNotEqual(banned["choices"][0]["logprobs"]["tokens"][0], plain[0])

    def test_chat(self):
        body = {"messages": [{"role": "system", "content": "Stories."}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
                "max_tokens": 12, "temperature": 0, "logprobs": True, "top_logprobs": 2}
        answer = self.server.json("/v1/chat/completions", body)
        plain = self.complete(prompt="Stories.\n\nUser: Hi\n\nAssistant:", max_tokens=12)
        choice = answer["choices"][0]
        self.assertEqual(choice["message"]["content"], plain["choices"][0]["text"])
        self.assertEqual(len(choice["logprobs"]["content"]), 12)
        for entry in choice["logprobs"]["content"]:
            self.assertEqual(bytes(entry["bytes"]).decode(errors="replace"), entry["token"])
            self.assertEqual(len(entry["top_logprobs"]), 2)
        events = self.server.events("/v1/chat/completions", body)
        deltas = [e["choices"][0]["delta"] for e in events]
        self.assertEqual(deltas[0], {"role": "assistant", "content": ""})
        for event in self.server.events("/v1/chat/completions", {**body, "stream_options": {"include_usage": True}})[:-1]:
            self.assertIsNone(event["usage"])
            self.assertIn("logprobs", event["choices"][0])
        self.assertEqual("".join(d.get("content", "") for d in deltas), choice["message"]["content"])

    def test_chat_template(self):
        model = self.directory / "templated"
        subprocess.run(["cp", "-r", self.model, model], check=True)
        template = "{% for m in messages %}{{ '<' + m.role + '>' + m['content'] | trim + '\\n' }}{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}"
        (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": template, "bos_token": "<s>"}))
        with Server(model) as server:
            chat = {"messages": [{"role": "user", "content": " Hi "}], "max_tokens": 9, "temperature": 0}
            text = server.json("/v1/chat/completions", chat)["choices"][0]["message"]["content"]
            plain = server.json("/v1/completions", {"prompt": "<user>Hi\n<bot>", "max_tokens": 9, "temperature": 0})
            self.assertEqual(text, plain["choices"][0]["text"])
        (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": "a\n{% macro x() %}"}))
        with Server(model) as server:  # completions go on
            status, text, _ = server.call("/v1/chat/completions", chat)
            self.assertEqual((status, "macro" in text), (400, True))
            self.assertEqual(server.call("/v1/completions", {"prompt": "a", "max_tokens": 1})[0], 200)
        self.assertIn("tokenizer_config.json: chat_template: line 2", server.log)
        (model / "chat_template.jinja").write_text("{{ messages[0].content }}\n")  # counts more than tokenizer_config.json
        with Server(model) as server:
            text = server.json("/v1/chat/completions", {**chat, "messages": [{"role": "user", "content": "Tom"}]})["choices"][0]["message"]["content"]
            self.assertEqual(text, server.json("/v1/completions", {"prompt": "Tom", "max_tokens": 9, "temperature": 0})["choices"][0]["text"])

    def test_tokens_there_and_back(self):
        ids = self.server.json("/tokenize", {"prompt": "Once upon", "add_special_tokens": False})["tokens"]
        for name in ("prompt", "content"):
            self.assertEqual(self.server.json("/detokenize", {"tokens": ids})[name].strip(), "Once upon")
        for special, expected in ((None, ids), (False, ids), (True, [1, *ids])):  # as llama-server has it
            self.assertEqual(self.server.json("/tokenize", {"content": "Once upon", "add_special": special})["tokens"], expected)
        self.assertEqual(self.server.json("/tokenize", {"prompt": "Once upon"})["tokens"], [1, *ids])
        info = self.server.json("/tokenizer_info")
        self.assertEqual((info["bos_token"], info["eos_token"]), ("<s>", "</s>"))

    def test_models(self):
        self.assertEqual([m["id"] for m in self.server.json("/v1/models")["data"]], ["stories"])
        card = self.server.json("/v1/models/stories")
        while "spectra" not in card:
            time.sleep(0.1)
            card = self.server.json("/v1/models/stories")
        self.assertEqual((card["spectra"]["family"], card["spectra"]["layers"]), ("float", 5))

    def test_clients(self):
        if not (ORACLES / "openai").exists():
            self.skipTest("openai is not installed: tests/install_oracles.sh")
        result = subprocess.run(["node", CLIENTS, self.server.url, ORACLES], capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        seen = json.loads(result.stdout)
        text = self.complete(prompt="Once upon a time", max_tokens=20)["choices"][0]["text"]
        for key in ("openai", "openai_stream", "langchain_completion"):
            self.assertEqual(seen[key], text, key)
        asked = self.complete(prompt="user:\nOnce upon a time\n\nassistant:\n", stop="\nuser:", max_tokens=20)  # that client's form
        self.assertEqual(seen["ai_completion"], asked["choices"][0]["text"])
        chat = self.server.json("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 20, "temperature": 0})
        for key in ("openai_chat", "openai_chat_stream", "ai_chat", "langchain_chat"):
            self.assertEqual(seen[key], chat["choices"][0]["message"]["content"], key)
        self.assertEqual(seen["errors"], [["NotFoundError", 404, "model_not_found"], ["BadRequestError", 400, None]])
        self.assertEqual(seen["ids"], [3, 5])

    def test_metrics_count(self):
        before = self.server.metric("spectra_generated_tokens_total")
        self.complete(prompt="Tom", max_tokens=7)
        self.assertEqual(self.server.metric("spectra_generated_tokens_total") - before, 7)
        names = ("spectra_prompt_tokens_total", "spectra_request_seconds_count", "spectra_texts_finished_total")
        before = [self.server.metric(name) for name in names]
        batches = self.server.metric("spectra_batch_texts_sum")
        self.complete(prompt=["Tom", "Lily"], n=3, max_tokens=1)
        prompts = sum(self.server.json("/tokenize", {"prompt": p})["count"] for p in ("Tom", "Lily"))
        self.assertEqual([self.server.metric(name) - b for name, b in zip(names, before)], [prompts, 1, 6])
        while self.server.metric("spectra_batch_texts_sum") < batches + 6:  # counted after the answer
            time.sleep(0.01)
        text = self.server.call("/metrics")[1]
        for line in text.splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) \w+ .+|\w+(\{[^}]*\})? [0-9.e+-]+)$")
        if shutil.which("promtool") is None:
            self.skipTest("promtool is not installed")
        check = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        self.assertEqual((check.returncode, check.stderr), (0, ""))

    def test_wrong_fields_are_named(self):
        for field, value in [("prompt", 7), ("prompt", []), ("prompt", [[]]), ("prompt", [["a"]]), ("prompt", [1, -1]), ("prompt", [512]), ("prompt", [2**40]),
                             ("max_tokens", "4"), ("max_tokens", -1), ("max_tokens", 1.5), ("max_tokens", 1e300), ("n", 0), ("n", 10**9),
                             ("best_of", 10**12), ("logprobs", 21), ("logprobs", True), ("echo", 1), ("stream", "yes"), ("temperature", -1),
                             ("temperature", "hot"), ("top_p", 0), ("top_p", 2), ("top_k", -2), ("min_p", 3), ("seed", 0.5), ("stop", 5),
                             ("stop", ["a"] * 17), ("logit_bias", {"x": 1}), ("logit_bias", {"1": 200}), ("logit_bias", [1]), ("presence_penalty", 3),
                             ("seed", 2**63), ("frequency_penalty", -3), ("repetition_penalty", 0), ("suffix", "end"), ("stream_options", {"include_usage": True}),
                             ("stop_token_ids", [-1]), ("model", 3)]:
            status, text, _ = self.server.call("/v1/completions", {"prompt": "a", field: value})
            error = json.loads(text)["error"]
            self.assertEqual(status, 400, (field, value, text))
            self.assertEqual(error["param"], field, (field, value))
            self.assertEqual(error["type"], "invalid_request_error")
        for body in ({}, {"messages": []}, {"messages": [{}]}, {"messages": [{"role": "x", "content": ""}]}, {"messages": [{"role": "user", "content": [1]}]},
                     {"messages": [{"role": "user", "content": "a"}], "tools": [{}]}, {"messages": [{"role": "user", "content": "a"}], "top_logprobs": 1},
                     {"messages": [{"role": "user", "content": "a"}], "response_format": {"type": "json_object"}}):
            self.assertEqual(self.server.call("/v1/chat/completions", body)[0], 400, body)

    def test_paths_and_methods(self):
        self.assertEqual(self.server.call("/nothing")[0], 404)
        self.assertEqual(self.server.call("/../../etc/passwd")[0], 404)
        self.assertEqual(self.server.call("/v1/models/nothing")[0], 404)
        self.assertEqual(self.server.call("/v1/completions")[0], 405)
        for path, body, allowed in (("/v1/completions", None, "POST"), ("/health", b"{}", "GET, HEAD")):
            status, _, headers = self.server.call(path, body)
            self.assertEqual((status, headers["Allow"]), (405, allowed))
        for origin, expected in ((self.server.url, 200), ("http://other.example", 403), ("null", 403)):
            headers = {"Origin": origin, "Content-Type": "text/plain"}
            self.assertEqual(self.server.call("/v1/completions", {"prompt": "a", "max_tokens": 1}, headers)[0], expected, origin)
        status, _, headers = self.server.call("/")
        self.assertEqual(status, 200)
        self.assertIn("default-src 'self'", headers["Content-Security-Policy"])
        self.assertNotIn("Access-Control-Allow-Origin", headers)

    def test_a_context_that_is_full(self):
        answer = self.complete(prompt=[[1] * 510], max_tokens=100, ignore_eos=True)
        self.assertEqual(answer["usage"]["completion_tokens"], 3)
        self.assertEqual(answer["choices"][0]["finish_reason"], "length")
        status, text, _ = self.server.call("/v1/completions", {"prompt": [[1] * 513]})
        self.assertEqual((status, json.loads(text)["error"]["code"]), (400, "context_length_exceeded"))
        status, text, _ = self.server.call("/v1/completions", {"prompt": "a" * 2_000_000})
        self.assertEqual((status, json.loads(text)["error"]["code"]), (400, "context_length_exceeded"))


class Options(harness.Case):
    def setUp(self):
        super().setUp()
        self.model = self.directory / "stories"
        spectra("convert", MODEL / "stories260K.bin", self.model, "--tokenizer", MODEL / "tok512.bin")

    def test_key_and_origin(self):
        key = self.directory / "key.txt"
        key.write_text("secret one\n")
        with Server(self.model, "--api-key-file", key, "--cors", "https://example.org") as server:
            for path, body in (("/v1/models", None), ("/v1/completions", {"prompt": "a"}), ("/metrics", None), ("/tokenize", {"prompt": "a"})):
                for given in ({}, {"Authorization": "Bearer secret on"}, {"Authorization": "secret one"}):
                    self.assertEqual(server.call(path, body, given)[0], 401, (path, given))
                status, _, headers = server.call(path, body, {"Authorization": "Bearer secret one"})
                self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (200, "https://example.org"))
            for path in ("/health", "/", "/app.js"):
                self.assertEqual(server.call(path)[0], 200)
            asked = "authorization, x-stainless-os"
            status, _, headers = server.call("/v1/completions", method="OPTIONS", headers={"Access-Control-Request-Headers": asked})
            self.assertEqual((status, headers["Access-Control-Allow-Headers"]), (204, asked))
            for origin, expected in (("https://example.org", 200), ("https://example.com", 403)):
                self.assertEqual(server.call("/health", headers={"Origin": origin})[0], expected)
        key.write_text("\n")
        self.assert_bad_input("serve", self.model, "--api-key-file", key, "--port", 0, says=("key.txt", "empty"))

    def test_two_models_by_name(self):
        with Server(f"one={self.model}", f"two={self.model}") as server:
            for name in ("one", "two"):
                self.assertEqual(server.json("/v1/completions", {"model": name, "prompt": "a", "max_tokens": 1})["model"], name)
        self.assert_bad_input("serve", self.model, self.model, "--port", 0, says=("stories", "NAME=DIRECTORY"), code=2)
        self.assert_bad_input("serve", f"={self.model}", "--port", 0, says=("NAME=DIRECTORY",), code=2)
        path = self.directory / "x=1/tiny"
        path.parent.mkdir()
        path.symlink_to(self.model)
        with Server(path, "--log-requests") as server:
            self.assertEqual(len(server.printed["models"]), 1)
            server.call("/health", method="SPOOF")
        self.assertIn("other /health 405", server.log)
        self.assertNotIn("SPOOF", server.log)

    def test_wrong_options(self):
        with Server(self.model) as server:
            self.assert_bad_input("serve", self.model, "--port", server.port, says=("cannot listen", str(server.port)), code=1)
        self.assert_bad_input("serve", self.model, "--host", "no.such.host.invalid", "--port", 0, says=("--host",))
        self.assert_bad_input("serve", self.model, "--context", 513, says=("512",), code=2)
        self.assert_bad_input("serve", self.model, "--kv-memory", "4 apples", says=("4 apples", "4GiB"), code=2)
        self.assert_bad_input("serve", self.model, "--kv-memory", "1PiB", says=("--kv-memory",), code=2)
        self.assert_bad_input("serve", self.directory / "none", says=("none",))

    def test_a_full_queue_and_fairness(self):
        with Server(self.model, "--max-concurrent", 1, "--max-waiting", 25) as server:
            long = {"prompt": "a", "max_tokens": 400, "n": 20, "ignore_eos": True}
            many = threading.Thread(target=server.json, args=("/v1/completions", long))
            many.start()
            while server.metric("spectra_texts_waiting") < 15:
                time.sleep(0.01)
            status, text, headers = server.call("/v1/completions", {**long, "n": 10})
            self.assertEqual((status, json.loads(text)["error"]["code"], headers["Retry-After"]), (429, "queue_full", "1"))
            server.json("/v1/completions", {"prompt": "b", "max_tokens": 2})  # takes its turn
            self.assertGreater(server.metric("spectra_texts_waiting"), 5)
            many.join()

    def test_shutdown_finishes_what_runs(self):
        with Server(self.model) as server:
            texts = []
            body = {"prompt": "a", "max_tokens": 500, "ignore_eos": True, "n": 8}
            thread = threading.Thread(target=lambda: texts.append(server.json("/v1/completions", body)))
            thread.start()
            while server.metric("spectra_texts_running") == 0:
                time.sleep(0.005)
            server.terminate()
            thread.join()
            self.assertEqual([c["finish_reason"] for c in texts[0]["choices"]], ["length"] * 8)
        with Server(self.model, "--shutdown-time", 0) as server:
            answers = []
            thread = threading.Thread(target=lambda: answers.append(server.call("/v1/completions", {**body, "n": 100})))
            thread.start()
            while server.metric("spectra_texts_running") == 0:
                time.sleep(0.005)
            server.terminate()
            thread.join()
            self.assertEqual((answers[0][0], json.loads(answers[0][1])["error"]["code"]), (503, "interrupted"))


if __name__ == "__main__":
    harness.main(MODEL)
