"""Load damaged components for a while: `python -m tests.fuzz.loader --minutes 10`, or `make fuzz`.

Each must be refused with an error of this package's, having changed nothing, or give scores that
are numbers; within bounds of time and memory, and without running anything that the data say.

hypothesis makes the damage. A fuzzer that follows the coverage of code, as atheris, would see
nothing of the parsers, which are compiled, and of these inputs, whose checksums would not fit.
"""

import argparse
import collections
import copy
import faulthandler
import functools
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Counter, List, Tuple

import hypothesis
import numpy
import srsly
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .damage import damaged_component
from .seeds import Seed, make_seeds

# What a load may take: seconds of the processor, and bytes, of which the data have a few
# thousand.
SECONDS = 5.0
MEMORY = 256 * 2**20
# What a load must not do, beside opening files to write to them.
FORBIDDEN = ("exec", "pickle.", "marshal.", "socket.", "subprocess.", "os.", "shutil.", "ctypes.")
# Inputs between two looks at the clock.
ROUND = 200


class Watch:
    """Notes what Python does, by its audit events, while `on`."""

    def __init__(self) -> None:
        self.on = False
        self.seen: List[str] = []
        sys.addaudithook(self._see)

    def _see(self, event: str, args: Tuple) -> None:
        if self.on and (event.startswith(FORBIDDEN) or (event == "open" and _writes(args))):
            self.seen.append(f"{event} {args!r:.200}")


def _writes(args: Tuple) -> bool:
    _, mode, flags = args
    return any(c in (mode or "") for c in "wax+") or bool(
        flags and flags & (os.O_WRONLY | os.O_RDWR)
    )


class Fuzzer:
    """Loads damaged data, and counts what comes of it.

    seeds: What is damaged. watch: Sees what loads do. path: A file for the data that are loaded:
        where a load ends the process, they are still there.
    """

    def __init__(self, seeds: List[Seed], watch: Watch, path: Path):
        self.seeds = seeds
        self.watch = watch
        self.path = path
        self.counts: Counter[str] = collections.Counter()
        self.expected = {seed.name: seed.scores() for seed in seeds}
        self.memory = _memory()

    def run(self, number: int, inputs: int) -> None:
        """Load damaged data. number: Of the round: others give other data."""

        @hypothesis.seed(number)
        @settings(
            max_examples=inputs,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.data())
        def load(data: Any) -> None:
            seed, other = (data.draw(st.sampled_from(self.seeds)) for _ in range(2))
            kind, damaged = data.draw(damaged_component(seed.data, other.data))
            try:
                found = self.check(seed, damaged)
            finally:
                # Whatever was found: the next input has nothing of this one.
                seed.load(seed.data)
            if kind == "bytes" and seed.has_checksums:
                assert found == "refused" or damaged == seed.data, "checksums do not fit"
            elif kind == "bytes":
                kind = "bytes without checksums"
            self.counts[f"{kind}: {found}"] += 1

        load()

    def check(self, seed: Seed, data: bytes) -> str:
        """Load data. RETURNS: What came of it. RAISES: AssertionError for what must not be."""
        self.path.write_bytes(data)
        cfg, expected = copy.deepcopy(seed.pipe.cfg), self.expected[seed.name]
        start, error = time.process_time(), self._load(seed, data)
        assert time.process_time() - start < SECONDS, "it took too long"
        assert _memory() - self.memory < MEMORY, "it took too much memory"
        assert not self.watch.seen, f"it did {self.watch.seen}"
        if error is not None:
            _check_error(error)
            assert seed.pipe.cfg == cfg, "settings have changed"
            assert numpy.array_equal(seed.scores(), expected), "scores have changed"
            return "refused"
        found = seed.scores()
        assert numpy.isfinite(found).all(), "scores are not numbers"
        return "same scores" if numpy.array_equal(found, expected) else "other scores"

    def _load(self, seed: Seed, data: bytes) -> Any:
        """RETURNS: The error, None without one."""
        self.watch.seen, self.watch.on = [], True
        try:
            seed.load(data)
            return None
        except BaseException as error:
            return error
        finally:
            self.watch.on = False


def _check_error(error: BaseException) -> None:
    if not isinstance(error, ValueError) or not str(error).startswith("[R3"):
        raise AssertionError(f"{type(error).__name__} in place of an error of ours") from error
    cause = repr(error.__cause__)
    assert "MemoryError" not in cause and "allocate memory" not in cause, f"no memory: {cause}"


def _memory() -> int:
    """The most bytes of memory that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _limit_memory() -> None:
    """Let allocations fail that would take a GB more than the process has."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**30, hard))


def main() -> None:
    """Run for the time given, or until something is found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    arguments = parser.parse_args()
    path = Path(tempfile.mkdtemp()) / "data"
    for registry in (srsly.msgpack_decoders, srsly.msgpack_encoders):
        # Looking for plugins of msgpack, at each value, takes longer than all else.
        registry.get_all = functools.cache(registry.get_all)
    fuzzer = Fuzzer(make_seeds(), Watch(), path)
    _limit_memory()
    print(f"Loading for {arguments.minutes:g} minutes. The last data are in {path}", flush=True)
    end, number = time.monotonic() + 60 * arguments.minutes, arguments.seed
    while time.monotonic() < end:
        # A load that hangs in compiled code cannot be interrupted otherwise.
        faulthandler.dump_traceback_later(600, exit=True)
        fuzzer.run(number, ROUND)
        number += 1
    faulthandler.cancel_dump_traceback_later()
    for what, count in sorted(fuzzer.counts.items()):
        print(f"{count:8,}  {what}")
    more = (_memory() - fuzzer.memory) / 1e6
    print(f"{fuzzer.counts.total():8,}  loaded; {more:.0f} MB more memory")


if __name__ == "__main__":
    main()
