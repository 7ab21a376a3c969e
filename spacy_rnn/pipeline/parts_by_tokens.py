"""Splitting a batch of documents so that memory is bounded."""

from typing import List

import numpy

# Tokens that go through a model at a time. Fewer leave each thread too few rows; more gain little,
# and memory grows with them.
TOKENS_AT_ONCE = 65_000


def parts_by_tokens(lengths: numpy.ndarray, budget: int) -> List[numpy.ndarray]:
    """Split documents into parts of similar length and at most `budget` tokens.

    lengths: Tokens of each document, of shape (docs,).
    RETURNS: Indices of documents, longest first; a longer document is a part of its
        own, an empty one is in none.
    """
    order = numpy.argsort(-lengths, kind="stable")[: numpy.count_nonzero(lengths)]
    parts = []
    start, tokens = 0, 0
    for end, length in enumerate(lengths[order].tolist()):
        if tokens + length > budget and end > start:
            parts.append(order[start:end])
            start, tokens = end, 0
        tokens += length
    if start < len(order):
        parts.append(order[start:])
    return parts
