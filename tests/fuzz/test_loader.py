"""The fuzzer of the loader finds what it should, and nothing in a few seconds."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest

from tests.fuzz.loader import Fuzzer

ROOT = Path(__file__).parents[2]
EVENTS = """
import os, pickle, socket, sys, tempfile
from tests.fuzz.loader import Watch
path, watch = tempfile.mktemp(), Watch()
things = [
    lambda: open(path, "w").close(),
    lambda: os.close(os.open(path, os.O_RDWR)),
    lambda: exec("1"),
    lambda: pickle.loads(b"cposix\\nsystem\\n."),
    lambda: socket.socket(),
    lambda: os.remove(path),
    lambda: open(sys.executable, "rb").close(),
]
for thing in things:
    watch.seen, watch.on = [], True
    thing()
    watch.on = False
    print(len(watch.seen) > 0)
exec("1")
print(watch.seen)
"""


def run(*args):
    found = subprocess.run(
        [sys.executable, *args], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_nothing_is_found_in_a_few_seconds():
    lines = run("-m", "tests.fuzz.loader", "--minutes", "0.01").splitlines()
    assert int(lines[-1].split()[0]) >= 200
    assert any(line.endswith(" bytes: refused") for line in lines)
    assert any("sealed values: " in line for line in lines)


def test_what_python_does_is_seen():
    assert run("-c", EVENTS).split() == ["True"] * 6 + ["False", "[]"]


class Fake:
    """A component whose loading does something."""

    name, data, has_checksums = "fake", b"", True

    def __init__(self, load):
        self.now, self.fresh = numpy.zeros(2), True
        self.pipe = SimpleNamespace(cfg={"a": 1})
        self._load = load

    def load(self, data):
        if data:
            self._load(self)
        else:
            self.now = numpy.zeros(2)

    def scores(self):
        return self.now


def refuse(seed, message="[R308] corrupt", cause=None):
    raise ValueError(message) from cause


def set_scores(*scores):
    return lambda seed: setattr(seed, "now", numpy.array(scores))


def both(*things):
    return lambda seed: [thing(seed) for thing in things]


def check(tmp_path, load):
    watch = SimpleNamespace(seen=[], on=False)
    fuzzer = Fuzzer([Fake(load)], watch, tmp_path / "data")
    return fuzzer.check(fuzzer.seeds[0], b"data")


@pytest.mark.parametrize(
    "load,found",
    [
        (refuse, "refused"),
        (set_scores(0.0, 0.0), "same scores"),
        (set_scores(0.5, 0.5), "other scores"),
    ],
)
def test_what_may_be(load, found, tmp_path):
    assert check(tmp_path, load) == found
    assert (tmp_path / "data").read_bytes() == b"data"


@pytest.mark.parametrize(
    "load,found",
    [
        (set_scores(0.5, numpy.nan), "not numbers"),
        (lambda seed: {}["x"], "KeyError in place of an error of ours"),
        (lambda seed: refuse(seed, "corrupt"), "ValueError in place of an error of ours"),
        (lambda seed: refuse(seed, cause=MemoryError()), "no memory"),
        (both(set_scores(0.5, 0.5), refuse), "scores have changed"),
        (both(lambda seed: seed.pipe.cfg.update(a=2), refuse), "settings have changed"),
        (lambda seed: sys.exit(), "SystemExit in place of an error of ours"),
    ],
)
def test_what_must_not_be(load, found, tmp_path):
    with pytest.raises(AssertionError, match=found):
        check(tmp_path, load)
