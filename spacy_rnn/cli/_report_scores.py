"""Accuracy by length."""

import math
from typing import List, NamedTuple, Sequence, Tuple

# Of lengths.
GROUPS = 8
# Of a normal distribution: 95 % lie within.
Z = 1.96


class Group(NamedTuple):
    """Texts of similar length: the shortest and the longest, the share of answers that are right,
    and its 95 % interval."""

    shortest: int
    longest: int
    right: float
    low: float
    high: float


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
