#!/usr/bin/env python3
"""What the benchmarks must refuse: ratios of unequal work, results that moved, counts above the gate."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True


def benchmark(name):
    """The script of this name as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(HERE / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


class Peers(unittest.TestCase):
    peers = benchmark("peers")

    def sample(self, **changes):
        return {
            "loop": 1.0, "process": 2.0, "peak": 3.0, "completed": 10, "prompt": 1, "output": 1, "steps": "1", "batch": 1.0,
            "blocks": 1, "makespan": 1.0, "load": "stable", "identity": "a", **changes}

    def ratios(self, mine, theirs):
        rows = self.peers.table("case", mine, theirs).splitlines()
        return [row.split("|")[4].strip() for row in rows if row.startswith(("| loop", "| whole", "| peak"))]

    def test_equal_completions_give_ratios(self):
        found = self.ratios([self.sample(), self.sample(loop=3.0)] * 3, [self.sample(loop=10.0)] * 3)
        self.assertEqual(found, ["5.0 [5.0–5.0]", "1.0 [1.0–1.0]", "1.0 [1.0–1.0]"])

    def test_other_completions_give_none(self):
        found = self.ratios([self.sample()] * 6, [self.sample(completed=9)] * 3)
        self.assertEqual(found, ["refused: completions differ"] * 3)

    def test_one_sample_that_completes_fewer_is_enough(self):
        found = self.ratios([self.sample()] * 6, [self.sample(), self.sample(completed=9), self.sample()])
        self.assertEqual(found, ["refused: completions differ"] * 3)

    def test_our_results_must_not_differ(self):
        with self.assertRaises(SystemExit):
            self.ratios([self.sample(), self.sample(identity="b")], [self.sample()] * 2)


class Speed(unittest.TestCase):
    speed = benchmark("speed")

    def check(self, *scenarios):
        with contextlib.redirect_stdout(io.StringIO()):
            self.speed.check({"scenarios": list(scenarios), "skipped": []})

    def test_results_must_be_the_published_ones(self):
        known = json.loads(self.speed.BENCH.read_text())["scenarios"][0]
        self.check(known)
        with self.assertRaises(SystemExit):
            self.check({**known, "fingerprint": "0123456789abcdef"})
        with self.assertRaises(SystemExit):
            self.check({**known, "name": "unknown"})

    def test_nothing_is_not_enough(self):
        with self.assertRaises(SystemExit):
            self.check()


class Instructions(unittest.TestCase):
    def test_the_gate_is_two_percent(self):
        instructions = benchmark("instructions")
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(instructions.compare({"chat": 102_100}, {"chat": 100_000}, "accepted", {"chat": instructions.MOST}), ["chat"])
            self.assertEqual(instructions.compare({"chat": 101_900}, {"chat": 100_000}, "accepted", {"chat": instructions.MOST}), [])


if __name__ == "__main__":
    unittest.main()
