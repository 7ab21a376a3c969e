"""Splitting a batch of documents so that memory is bounded."""

from typing import List

import numpy


def parts_by_tokens(lengths: numpy.ndarray, budget: int) -> List[numpy.ndarray]:
    """Split documents into parts of similar length and at most `budget` tokens.

    lengths: Tokens of each document, of shape (docs,).
    RETURNS: Indices of documents, longest first; a longer document is a part of its own. All in
        one part, in order, where they fit.
    """
    if lengths.sum() <= budget:
        return [numpy.arange(len(lengths))] if len(lengths) else []
    order = numpy.argsort(-lengths, kind="stable")
    parts = []
    start, tokens = 0, 0
    for end, length in enumerate(lengths[order].tolist()):
        if tokens + length > budget and end > start:
            parts.append(order[start:end])
            start, tokens = end, 0
        tokens += length
    return [*parts, order[start:]]
