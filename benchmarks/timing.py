"""What the benchmarks share: timing in turns, real texts, and Markdown tables."""

import statistics
import time
from typing import Callable, Dict, List, Sequence

from spacy_rnn.corpus.movie_reviews_reader import read_movie_reviews
from spacy_rnn.corpus.records import Record, prepare


def reviews(count: int) -> List[Record]:
    """Film reviews of both classes, shuffled."""
    return prepare(read_movie_reviews("train"), seed=0, limit=count)


def rates_in_turns(
    runs: Dict[str, Callable[[], int]], *, rounds: int, warmup: int = 1
) -> Dict[str, List[float]]:
    """Run each function once a round, so that drift of the machine hits all alike.

    runs: Functions that return how much they have done.
    RETURNS: Amount per second of each counted round.
    """
    rates: Dict[str, List[float]] = {name: [] for name in runs}
    for round in range(warmup + rounds):
        for name, run in runs.items():
            # OpenMP's threads spin for some milliseconds after a loop of whoever ran before.
            time.sleep(0.02)
            start = time.perf_counter()
            done = run()
            seconds = time.perf_counter() - start
            if round >= warmup:
                rates[name].append(done / seconds)
    return rates


def median_ratio(rates: Dict[str, List[float]], name: str, base: str) -> float:
    """Median over rounds of one rate by another of the same round."""
    return statistics.median(a / b for a, b in zip(rates[name], rates[base]))


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, all columns but the first aligned right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def mean_and_spread(values: List[float]) -> str:
    """The mean of shares in per cent, and half their range."""
    if not values:
        return ""
    spread = (max(values) - min(values)) / 2
    return f"{100 * statistics.mean(values):.1f} ± {100 * spread:.1f}"
