"""Calibration, and accuracy by length."""

import math
from typing import List, NamedTuple, Sequence, Tuple

import numpy

# As in Guo et al. 2017.
BINS = 15
# Of lengths.
GROUPS = 8
# Of a normal distribution: 95 % lie within.
Z = 1.96


class Bin(NamedTuple):
    """Answers whose probabilities lie in one part of the range from 0 to 1: how many, their mean
    probability, and the share that came true."""

    size: int
    prob: float
    true: float


class Group(NamedTuple):
    """Texts of similar length: the shortest and the longest, the share of answers that are right,
    and its 95 % interval."""

    shortest: int
    longest: int
    right: float
    low: float
    high: float


def find_bins(probs: Sequence[float], true: Sequence[bool], bins: int = BINS) -> List[Bin]:
    """Answers by probability, in bins of equal width; empty ones are left out."""
    values, came_true = numpy.asarray(probs, dtype="float64"), numpy.asarray(true, dtype="float64")
    places = numpy.minimum((values * bins).astype("int64"), bins - 1)
    found = []
    for i in numpy.unique(places):
        rows = places == i
        found.append(
            Bin(int(rows.sum()), float(values[rows].mean()), float(came_true[rows].mean()))
        )
    return found


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error: the mean distance between probability and share that came
    true, of bins of equal width (Naeini et al. 2015; Guo et al. 2017)."""
    total = sum(part.size for part in bins)
    return sum(part.size * abs(part.prob - part.true) for part in bins) / max(total, 1)


def find_groups(lengths: Sequence[Tuple[int, int, int]], groups: int = GROUPS) -> List[Group]:
    """Texts by length, about equally many in a group.

    lengths: Of each text: its tokens, answers that are right, and all.
    """
    ordered = sorted(lengths)
    size = math.ceil(len(ordered) / groups)
    parts: List[List[Tuple[int, int, int]]] = []
    for i, text in enumerate(ordered):
        # Texts of one length stay together.
        if parts and (len(parts[-1]) < size or ordered[i - 1][0] == text[0]):
            parts[-1].append(text)
        else:
            parts.append([text])
    return [_group_of(part) for part in parts]


def _group_of(texts: List[Tuple[int, int, int]]) -> Group:
    right, total = (sum(text[i] for text in texts) for i in (1, 2))
    return Group(texts[0][0], texts[-1][0], right / total, *interval(right, total))


def interval(right: int, total: int) -> Tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    share, spread = right / total, Z * Z / total
    middle = share + spread / 2
    half = Z * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))
