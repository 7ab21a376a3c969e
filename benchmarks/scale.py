"""What annotation and training cost on many machines, computed from figures of one.

    python -m benchmarks.scale
    python -m benchmarks.scale --words-per-core 30000 --dollars-per-core-hour 0.02
    python -m benchmarks.scale --step-seconds 0.4 --gradient-megabytes 12

Nothing here is measured. Figures of one machine are arguments, whose defaults were printed by
the commands that `--help` names; prices and what a network, a store and a scheduler can do are
assumptions, to be replaced by those of your own.

Annotation is a line of stations, each of which passes on at most so many words a second: workers;
the store that texts come from and go to; the process that hands out batches. The slowest one gives
the rate, and the number of workers from which on it is no longer that of workers. A simulation of
batches, whose times are drawn at random, says how much is lost to waiting before that.

Training sums gradients once a step, by a ring: of W processes, each sends and receives
2 (W - 1) / W times the gradients, in 2 (W - 1) messages.
"""

import argparse
import heapq
import random
from typing import List, NamedTuple, Sequence

from .timing import markdown

WORKERS = (1, 2, 8, 32, 128, 512, 2048, 8192, 32768)
PROCESSES = (2, 4, 8, 16, 64)
AMOUNTS = (("a billion", 1e9), ("a hundred billion", 1e11), ("a trillion", 1e12))
# Bits a second, and seconds a message takes at least.
NETWORKS = (("1 Gbit/s", 1e9, 2e-4), ("10 Gbit/s", 1e10, 1e-4), ("100 Gbit/s", 1e11, 2e-5))


class Station(NamedTuple):
    """What all words go through. rate: Words a second that it passes on at most."""

    name: str
    rate: float


class Step(NamedTuple):
    """A step of training in one process. seconds: That it takes. bytes: Of what is summed."""

    name: str
    seconds: float
    bytes: float


def stations(options: argparse.Namespace) -> List[Station]:
    """What is shared by all workers."""
    store = options.store_gigabytes * 1e9 / (options.bytes_in + options.bytes_out)
    handed_out = options.batch_words * options.batches_per_second
    return [Station("object store", store), Station("scheduler", handed_out)]


def per_core(options: argparse.Namespace) -> float:
    """Words a second of one worker: it splits texts into tokens and reads them, one after the
    other."""
    return 1 / (1 / options.words_per_core + 1 / options.tokens_per_core)


def simulate(workers: int, options: argparse.Namespace) -> float:
    """Words a second of workers that take batches from one line, where one is handed out at a
    time, and all share the store.

    Each worker has an exponential part of its time: some batches and machines are slower.
    """
    drawn = random.Random(0)
    batches = max(20 * workers, 1000)
    store, scheduler = (options.batch_words / station.rate for station in stations(options))
    seconds = options.batch_words / per_core(options)
    free = [0.0] * workers
    line = copied = 0.0
    for _ in range(batches):
        begins = max(heapq.heappop(free), line)
        line = begins + scheduler
        # The store passes on one batch after the other.
        copied = max(copied, line) + store
        variable = options.spread * drawn.expovariate(1.0)
        heapq.heappush(free, copied + seconds * (1 - options.spread + variable))
    return batches * options.batch_words / max(free)


def seconds_of_sum(size: float, processes: int, bits: float, latency: float) -> float:
    """How long a sum over a ring takes. size: Its bytes. bits: A second, of each machine's
    connection. latency: Seconds a message takes at least."""
    messages = 2 * (processes - 1)
    return messages * (size / processes * 8 / bits + latency)


def rates_table(options: argparse.Namespace) -> str:
    """How the rate grows with workers."""
    found = []
    alone = per_core(options)
    limit = min(station.rate for station in stations(options))
    for workers in [count for count in WORKERS if count <= options.most_workers]:
        rate = simulate(workers, options)
        hours = 1e12 / rate / 3600
        share = 100 * rate / (workers * alone)
        found.append(
            (f"{workers:,}", f"{rate:,.0f}", f"{share:.0f} %", f"{hours / 24:,.1f}")
        )
        if rate > 0.98 * limit:
            break
    return markdown(("cores", "words/s", "of all alone", "days for a trillion words"), found)


def limits_table(options: argparse.Namespace) -> str:
    """What can do how much."""
    alone = per_core(options)
    rows = [
        (name, f"{rate:,.0f}", f"{rate / alone:,.0f}")
        for name, rate in sorted(stations(options), key=lambda station: station.rate)
    ]
    return markdown(("shared by all", "words/s at most", "is that of so many cores"), rows)


def prices_table(options: argparse.Namespace) -> str:
    """What so many words cost, as long as workers are what limits the rate."""
    rows = []
    for name, words in AMOUNTS:
        hours = words / per_core(options) / 3600
        dollars = hours * options.dollars_per_core_hour
        stored = words * (options.bytes_in + options.bytes_out) / 1e12
        rows.append((name, f"{hours:,.0f}", f"{dollars:,.2f}", f"{stored:,.3f}"))
    return markdown(("words", "core-hours", "dollars", "TB read and written"), rows)


def core_table(options: argparse.Namespace) -> str:
    """Where a core's time goes."""
    parts = (("tokenizer", options.tokens_per_core), ("pipeline", options.words_per_core))
    rows = [
        (name, f"{rate:,.0f}", f"{100 * per_core(options) / rate:.0f} %") for name, rate in parts
    ]
    rows.append(("both", f"{per_core(options):,.0f}", "100 %"))
    return markdown(("on one core", "words/s", "of its time"), rows)


def training_table(steps: Sequence[Step]) -> str:
    """How much faster training is in several processes, by network."""
    rows = []
    for step in steps:
        for name, bits, latency in NETWORKS:
            row = [f"{step.name}, {step.bytes / 1e6:.1f} MB", name]
            for processes in PROCESSES:
                summing = seconds_of_sum(step.bytes, processes, bits, latency)
                faster = step.seconds / (step.seconds / processes + summing)
                row.append(f"{faster:.1f}")
            rows.append(tuple(row))
    return markdown(("model", "network", *(f"{count}" for count in PROCESSES)), rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    measured, assumed = parser.add_argument_group("measured"), parser.add_argument_group("assumed")
    add = measured.add_argument
    add("--words-per-core", type=float, default=30_000, help=WORDS_HELP)
    add("--tokens-per-core", type=float, default=250_000, help=TOKENS_HELP)
    add("--step-seconds", type=float, default=None, help="of a training step of your own")
    add("--gradient-megabytes", type=float, default=None, help="that it sums")
    add = assumed.add_argument
    add("--dollars-per-core-hour", type=float, default=0.04, help="%(default)s")
    add("--bytes-in", type=float, default=6.0, help="read per word: %(default)s")
    add("--bytes-out", type=float, default=2.0, help="written per word: %(default)s")
    add("--store-gigabytes", type=float, default=10.0, help="a second, all: %(default)s")
    add("--batch-words", type=float, default=100_000, help="a batch: %(default)s")
    add("--batches-per-second", type=float, default=500.0, help="handed out: %(default)s")
    add("--spread", type=float, default=0.2, help="share of time by chance: %(default)s")
    add("--most-workers", type=int, default=32768, help="to simulate: %(default)s")
    options = parser.parse_args()
    for name, value in vars(options).items():
        if value is not None and value <= 0 and name != "spread":
            parser.error(f"--{name.replace('_', '-')} is {value}, but must be above 0")
    if (options.step_seconds is None) != (options.gradient_megabytes is None):
        parser.error("--step-seconds and --gradient-megabytes belong together")
    return options


WORDS_HELP = "words/s of the pipeline without its tokenizer, on one thread: %(default)s"
TOKENS_HELP = "words/s of the tokenizer alone: %(default)s"
# By `python -m benchmarks.distributed`.
STEPS: List[Step] = []


def main() -> None:
    options = parse()
    for table in (core_table, prices_table, limits_table, rates_table):
        print(table(options) + "\n")
    steps = STEPS
    if options.step_seconds is not None:
        steps = [Step("yours", options.step_seconds, options.gradient_megabytes * 1e6)]
    print(training_table(steps))


if __name__ == "__main__":
    main()
