"""What annotation and training cost on many machines, computed from figures of one.

    python -m benchmarks.scale
    python -m benchmarks.scale --pipeline-microseconds 3.2 --dollars-per-core-hour 0.02
    python -m benchmarks.scale --step-seconds 0.4 --gradient-megabytes 12

Nothing here is measured. Figures of one machine are arguments, whose defaults were printed by
the commands that `--help` names; prices and what a network, a store and a scheduler can do are
assumptions, to be replaced by those of your own.

Annotation is a line of stations, each of which passes on at most so many words a second: workers;
the store that texts come from and go to; the process that hands out batches. The slowest one gives
the rate, and the number of workers from which on it is no longer that of workers. A simulation of
batches, whose times are drawn at random, says how much is lost to waiting before that.

Training sums gradients once a step, by a ring: of W processes, each sends and receives
2 (W - 1) / W times the gradients, in 2 (W - 1) messages. A share is taken to need its part of the
batch's time; one of a few texts needs more. The optimizer and what prepares the sum come on top.
"""

import argparse
import heapq
import random
from typing import List, NamedTuple, Sequence

from .timing import markdown

WORKERS = (1, 2, 8, 32, 128, 512, 2048, 8192, 32768)
PROCESSES = (2, 4, 8, 16)
AMOUNTS = (("a billion", 1e9), ("a hundred billion", 1e11), ("a trillion", 1e12))
# Bits a second, and seconds a message takes at least.
NETWORKS = (("1 Gbit/s", 1e9, 2e-4), ("10 Gbit/s", 1e10, 1e-4), ("100 Gbit/s", 1e11, 2e-5))


class Station(NamedTuple):
    """What all words go through. rate: Words a second that it passes on at most."""

    name: str
    rate: float


class Step(NamedTuple):
    """A step of training. seconds: That it takes in one process. whole: Of them, and of what comes
    with several, those that each process takes however small its share: the optimizer, and what
    prepares the sum. bytes: Of what is summed."""

    name: str
    seconds: float
    whole: float
    bytes: float


LAYERS, STEPS_BY = "By benchmarks.layers", "By benchmarks.distributed"
# Words a second without the tokenizer, on one thread: by `python -m benchmarks.layers`, see
# benchmarks/README.md.
PIPELINES = [Station("textcat_lstm", 1e6 / 0.90), Station("tagger_bilstm", 1e6 / 7.3)]
# Of one process, and what two sum: by `python -m benchmarks.distributed`.
STEPS = [
    Step("textcat_lstm", 0.055, 0.0136, 2.62e6),
    Step("tagger_bilstm", 0.073, 0.0134, 1.83e6),
]


def stations(options: argparse.Namespace) -> List[Station]:
    """What is shared by all workers, the slowest first."""
    store = options.store_gigabytes * 1e9 / (options.bytes_in + options.bytes_out)
    handed_out = options.batch_words * options.batches_per_second
    found = [Station("object store", store), Station("scheduler", handed_out)]
    return sorted(found, key=lambda station: station.rate)


def per_core(pipeline: Station, options: argparse.Namespace) -> float:
    """Words a second of one core, which first splits texts into tokens and then reads them."""
    return 1 / (options.tokenizer_microseconds / 1e6 + 1 / pipeline.rate)


def simulate(workers: int, alone: float, options: argparse.Namespace) -> float:
    """Words a second of workers that take batches from one line, where one is handed out at a
    time, and all share the store.

    Part of a batch's time is drawn from an exponential distribution: some texts and machines are
    slower.

    alone: Words a second of one worker.
    """
    drawn = random.Random(0)
    batches = max(20 * workers, 1000)
    rates = dict(stations(options))
    store, scheduler = (options.batch_words / rates[n] for n in ("object store", "scheduler"))
    seconds = options.batch_words / alone
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


def core_table(pipelines: Sequence[Station], options: argparse.Namespace) -> str:
    """Where a core's time goes."""
    rows = []
    for pipeline in pipelines:
        rate = per_core(pipeline, options)
        tokenizer = 100 * rate * options.tokenizer_microseconds / 1e6
        rows.append(
            (pipeline.name, f"{rate:,.0f}", f"{tokenizer:.0f} %", f"{100 - tokenizer:.0f} %")
        )
    return markdown(("on one core", "words/s", "tokenizer", "pipeline"), rows)


def prices_table(pipelines: Sequence[Station], options: argparse.Namespace) -> str:
    """What so many words cost, as long as workers are what limits the rate."""
    rows = []
    for name, words in AMOUNTS:
        stored = words * (options.bytes_in + options.bytes_out) / 1e12
        for pipeline in pipelines:
            hours = words / per_core(pipeline, options) / 3600
            dollars = hours * options.dollars_per_core_hour
            numbers = f"{hours:,.1f}", f"{dollars:,.2f}", f"{stored:,.3f}"
            rows.append((f"{name}, {pipeline.name}", *numbers))
    return markdown(("words", "core-hours", "dollars", "TB read and written"), rows)


def limits_table(pipelines: Sequence[Station], options: argparse.Namespace) -> str:
    """What all workers share, and how many saturate it."""
    rows = [
        (
            station.name,
            f"{station.rate:,.0f}",
            *(f"{station.rate / per_core(pipeline, options):,.0f}" for pipeline in pipelines),
        )
        for station in stations(options)
    ]
    names = (f"cores of {pipeline.name}" for pipeline in pipelines)
    return markdown(("shared by all", "words/s at most", *names), rows)


def rates_table(pipelines: Sequence[Station], options: argparse.Namespace) -> str:
    """How the rate grows with workers, until it is no longer theirs."""
    rows = []
    for pipeline in pipelines:
        alone = per_core(pipeline, options)
        for workers in [count for count in WORKERS if count <= options.most_workers]:
            rate = simulate(workers, alone, options)
            share, days = 100 * rate / (workers * alone), 1e12 / rate / 86400
            numbers = f"{workers:,}", f"{rate:,.0f}", f"{share:.0f} %", f"{days:,.2f}"
            rows.append((pipeline.name, *numbers))
            if rate > 0.9 * stations(options)[0].rate:
                break
    header = ("pipeline", "cores", "words/s", "of the ideal rate", "days for a trillion words")
    return markdown(header, rows)


def training_table(steps: Sequence[Step]) -> str:
    """How much faster training is in several processes, by network."""
    rows = []
    for step in steps:
        for name, bits, latency in NETWORKS:
            row = [f"{step.name}, {step.bytes / 1e6:.1f} MB", name]
            for processes in PROCESSES:
                summing = seconds_of_sum(step.bytes, processes, bits, latency)
                faster = step.seconds / (step.seconds / processes + step.whole + summing)
                row.append(f"{faster:.1f}")
            rows.append(tuple(row))
    return markdown(("model", "network", *(f"{count}" for count in PROCESSES)), rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument_group("measured").add_argument
    add("--tokenizer-microseconds", type=float, default=1.31, help=f"a word: %(default)s. {LAYERS}")
    add("--pipeline-microseconds", type=float, help=f"a word, without the tokenizer. {LAYERS}")
    add("--step-seconds", type=float, help=f"of training, in one process. {STEPS_BY}")
    add("--whole-seconds", type=float, default=0.0, help=f"sums and optimizer. {STEPS_BY}")
    add("--gradient-megabytes", type=float, help=f"that a step sums. {STEPS_BY}")
    add = parser.add_argument_group("assumed").add_argument
    add("--dollars-per-core-hour", type=float, default=0.04, help="%(default)s")
    add("--bytes-in", type=float, default=6.0, help="read for a word: %(default)s")
    add("--bytes-out", type=float, default=2.0, help="written for a word: %(default)s")
    add("--store-gigabytes", type=float, default=10.0, help="a second, of all: %(default)s")
    add("--batch-words", type=float, default=100_000, help="of a batch: %(default)s")
    add("--batches-per-second", type=float, default=500.0, help="handed out: %(default)s")
    add("--spread", type=float, default=0.2, help="part of times by chance: %(default)s")
    add("--most-workers", type=int, default=32768, help="that are simulated: %(default)s")
    options = parser.parse_args()
    for name, value in vars(options).items():
        if value is not None and (
            value < 0 or value == 0 and name not in ("spread", "whole_seconds")
        ):
            parser.error(f"--{name.replace('_', '-')} is {value}, but must be above 0")
    if (options.step_seconds is None) != (options.gradient_megabytes is None):
        parser.error("--step-seconds and --gradient-megabytes belong together")
    return options


def main() -> None:
    options = parse()
    pipelines, steps = PIPELINES, STEPS
    if options.pipeline_microseconds is not None:
        pipelines = [Station("yours", 1e6 / options.pipeline_microseconds)]
    if options.step_seconds is not None:
        size = options.gradient_megabytes * 1e6
        steps = [Step("yours", options.step_seconds, options.whole_seconds, size)]
    for table in (core_table, prices_table, limits_table, rates_table):
        print(table(pipelines, options) + "\n")
    print(training_table(steps))


if __name__ == "__main__":
    main()
