"""Poolings of a text's tokens that go on as tokens arrive."""

from typing import Any, List

import numpy
from thinc.api import Model


class RunningPool:
    """The poolings of a `pool` layer, over the tokens so far.

    pool: The layer.
    width: Width of a token's row.
    """

    def __init__(self, pool: Model, width: int):
        self.kinds: List[str] = pool.attrs["pooling"]
        self.width = width
        self.attention = next((n for n in pool.walk() if n.has_ref("key_transform")), None)
        # Attention keeps its sum of weights beside.
        sizes = {"last": width, "mean": width, "max": width, "attention": width + 1}
        self.sizes = [sizes[kind] for kind in self.kinds]

    def initial(self) -> numpy.ndarray:
        """The state before the first token: the number of tokens, and what each pooling
        keeps. Double precision, since sums over long texts are among it."""
        return numpy.zeros(1 + sum(self.sizes))

    def add(
        self, rows: numpy.ndarray, lengths: numpy.ndarray, states: numpy.ndarray
    ) -> numpy.ndarray:
        """RETURNS: States after more tokens.

        rows: The tokens of all texts, of shape (tokens, width). lengths: Of each text, at
        least 1. states: Before, of shape (texts, size of a state).
        """
        seen = states[:, :1] > 0
        after, place = [states[:, :1] + lengths[:, None]], 1
        for kind, size in zip(self.kinds, self.sizes):
            before = states[:, place : place + size]
            place += size
            if kind == "last":
                after.append(rows[lengths.cumsum() - 1])
            elif kind == "mean":
                after.append(before + _reduce(numpy.add, rows.astype("float64"), lengths))
            elif kind == "max":
                highest = _reduce(numpy.maximum, rows, lengths)
                after.append(numpy.where(seen, numpy.maximum(before, highest), highest))
            else:
                after.append(before + _reduce(numpy.add, self._weighted(rows), lengths))
        return numpy.concatenate(after, axis=1)

    def _weighted(self, rows: numpy.ndarray) -> numpy.ndarray:
        """Each token's weight, and beside it its row times that: a softmax over tokens
        is the sum of the second over the sum of the first."""
        layer: Any = self.attention
        keys = layer.get_ref("key_transform").predict(layer.ops.asarray2f(rows))
        logits = layer.ops.gemm(keys, layer.get_param("Q").reshape(-1, 1))
        # thinc clips as well, so that nothing overflows.
        weights = numpy.exp(layer.ops.to_numpy(logits).astype("float64").clip(-20.0, 20.0))
        return numpy.concatenate((weights, weights * rows), axis=1)

    def pooled(self, states: numpy.ndarray) -> numpy.ndarray:
        """The poolings side by side, as the layer returns them, of shape (texts, width of
        all). Texts without tokens have zeros."""
        count = numpy.maximum(states[:, :1], 1.0)
        found, place = [], 1
        for kind, size in zip(self.kinds, self.sizes):
            part = states[:, place : place + size]
            place += size
            if kind == "mean":
                part = part / count
            elif kind == "attention":
                # Zero over something is zero, where there is no token yet.
                part = part[:, 1:] / numpy.maximum(part[:, :1], 1e-300)
            found.append(part)
        return numpy.concatenate(found, axis=1).astype("float32")

    def after_each(self, rows: numpy.ndarray) -> numpy.ndarray:
        """What is pooled after each token of one text, of shape (tokens, width of all)."""
        found = []
        for kind in self.kinds:
            if kind == "last":
                found.append(rows)
            elif kind == "mean":
                count = numpy.arange(1, len(rows) + 1)[:, None]
                found.append(rows.cumsum(axis=0, dtype="float64") / count)
            elif kind == "max":
                found.append(numpy.maximum.accumulate(rows, axis=0))
            else:
                sums = self._weighted(rows).cumsum(axis=0)
                found.append(sums[:, 1:] / sums[:, :1])
        return numpy.concatenate(found, axis=1).astype("float32")


def _reduce(ufunc: Any, rows: numpy.ndarray, lengths: numpy.ndarray) -> numpy.ndarray:
    """Reduce the tokens of each text, of which most have one."""
    if len(rows) == len(lengths):
        return rows
    found = rows[lengths.cumsum() - lengths]
    more = lengths > 1
    counts = lengths[more]
    found[more] = ufunc.reduceat(rows[numpy.repeat(more, lengths)], counts.cumsum() - counts)
    return found
