#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TensorBoard event files of a run that is killed and resumed, read with Google's protobuf instead of our code: every value is the log's,
no step is there twice."""
import json
import math
import pathlib
import signal
import struct
import subprocess
import sys
import time

import harness
from training import RECIPE, STEPS, write_data

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's, where another Python runs the tests
try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError:
    descriptor_pb2 = None

CASTAGNOLI = 0x82F63B78
SESSION_START = 1


def event_class():
    """The messages of tensorflow/core/util/event.proto and framework/summary.proto, as far as they are used."""
    file = descriptor_pb2.FileDescriptorProto(name="event.proto", package="tensorflow", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto

    def message(name, *fields, parent=None):
        made = (parent.nested_type if parent else file.message_type).add(name=name)
        for number, field_name, kind, *rest in fields:
            made.field.add(number=number, name=field_name, type=kind, label=field.LABEL_REPEATED if "repeated" in rest else
                           field.LABEL_OPTIONAL, type_name=next((r for r in rest if r.startswith(".")), None))
        return made
    message("Event", (1, "wall_time", field.TYPE_DOUBLE), (2, "step", field.TYPE_INT64), (3, "file_version", field.TYPE_STRING),
            (5, "summary", field.TYPE_MESSAGE, ".tensorflow.Summary"), (7, "session_log", field.TYPE_MESSAGE, ".tensorflow.SessionLog"))
    summary = message("Summary", (1, "value", field.TYPE_MESSAGE, ".tensorflow.Summary.Value", "repeated"))
    message("Value", (1, "tag", field.TYPE_STRING), (2, "simple_value", field.TYPE_FLOAT), parent=summary)
    message("SessionLog", (1, "status", field.TYPE_INT32))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("tensorflow.Event"))


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (CASTAGNOLI if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_events(path, event):
    """Every whole record; like TensorBoard, stops at a torn one."""
    data, at, events = path.read_bytes(), 0, []
    while at + 12 <= len(data):
        length, = struct.unpack_from("<Q", data, at)
        assert struct.unpack_from("<I", data, at + 8)[0] == masked_crc(data[at:at + 8]), f"{path}: length at {at}"
        if at + 16 + length > len(data):
            break
        message = data[at + 12:at + 12 + length]
        assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked_crc(message), f"{path}: record at {at}"
        events.append(event.FromString(message))
        assert not events[-1].FindInitializationErrors() and events[-1].SerializeToString(), path
        at += 16 + length
    return events


class Events(harness.Case):
    def setUp(self):
        super().setUp()
        self.began = time.time()
        write_data(self.directory / "data")
        self.recipe = self.directory / "recipe.toml"
        self.recipe.write_text(RECIPE.format(family="ternary", data=self.directory / "data", tokens=STEPS * 512) +
                               "[log]\nlayers_every = 15\n")
        self.run_directory = self.directory / "run"
        self.event = event_class()

    def files(self):
        return sorted(self.run_directory.glob("events.out.tfevents.*"))

    def scalars(self):
        """{step: {tag: value}} over all files in order; fails where a step is there twice."""
        steps = {}
        for path in self.files():
            events = read_events(path, self.event)
            self.assertEqual(events[0].file_version, "brain.Event:2")
            for event in events:
                self.assertTrue(self.began - 1 <= event.wall_time <= time.time() + 1, event.wall_time)
                if event.HasField("summary"):
                    self.assertNotIn(event.step, steps, f"{path}: twice")
                    steps[event.step] = {value.tag: value.simple_value for value in event.summary.value}
        return steps

    def assert_is_the_log(self):
        log = [json.loads(line) for line in (self.run_directory / "log.jsonl").read_text().splitlines()]
        layers = {json.loads(line)["step"]: json.loads(line)["layers"]
                  for line in (self.run_directory / "layers.jsonl").read_text().splitlines()}
        steps = self.scalars()
        self.assertEqual(list(steps), [line["step"] for line in log])
        tags = {"loss": "loss/training", "validation_loss": "loss/validation", "lr": "schedule/lr", "weight_decay": "schedule/weight_decay",
                "grad_norm": "optimizer/grad_norm", "tokens_per_second": "speed/tokens_per_second",
                "memory_bytes": "memory/resident_bytes", "zero_fraction": "weights/zero_fraction",
                "flip_fraction": "weights/flip_fraction", "mfu": "speed/mfu", "loss_scale": "optimizer/loss_scale"}
        for line in log:
            wanted = {tag: line[key] for key, tag in tags.items() if key in line}
            for layer in layers.get(line["step"], []):
                for shard, scale in enumerate(layer["scales"]):
                    wanted[f"scale/{layer['name']}/{shard}"] = scale
                for key in ("zero_fraction", "flip_fraction", "near_fraction", "distance"):
                    wanted[f"{key}/{layer['name']}"] = layer[key]
            found = steps[line["step"]]
            self.assertEqual(found.keys(), wanted.keys())
            for tag, value in wanted.items():
                self.assertTrue(math.isclose(found[tag], value, rel_tol=1e-6), tag)
        self.assertEqual(sorted(layers), [step for step in range(15, log[-1]["step"] + 1, 15)])
        self.assertEqual({len(matrices) for matrices in layers.values()}, {14})

    def test_an_undisturbed_run(self):
        harness.spectra("train", self.recipe, "--out", self.run_directory)
        self.assertEqual(len(self.files()), 1)
        self.assert_is_the_log()

    def test_kills_and_resumes(self):
        log, kills = self.run_directory / "log.jsonl", 0
        for until in (9, 24, 40):
            process = subprocess.Popen([str(harness.BINARY), "train", str(self.recipe), "--out", str(self.run_directory), "--resume"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None and (not log.exists() or log.read_text().count("\n") < until):
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
        self.assertGreater(kills, 0)
        torn = self.files()[-1]
        torn.write_bytes(torn.read_bytes()[:-3])
        harness.spectra("train", self.recipe, "--out", self.run_directory, "--resume")
        self.assertGreater(len(self.files()), kills - 1)
        self.assert_is_the_log()
        last = read_events(self.files()[-1], self.event)
        self.assertEqual(last[1].session_log.status, SESSION_START)
        self.assertEqual(last[1].step, last[2].step, "TensorBoard purges what it has seen from the first new step on")


if __name__ == "__main__":
    harness.main(harness.BINARY, pathlib.Path(descriptor_pb2.__file__ if descriptor_pb2 else "python3-protobuf"))
