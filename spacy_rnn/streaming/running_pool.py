"""Poolings of a text's tokens that go on as tokens arrive."""

from typing import Any, Iterator, List, Tuple

import numpy
from thinc.api import Model, NumpyOps

# The poolings that keep sums over tokens; the others keep one token's numbers each.
SUMS = ("mean", "attention")
CPU = NumpyOps()


class RunningPool:
    """The poolings of a `pool` layer, over the tokens so far.

    pool: The layer.
    width: Width of a token's row.
    """

    def __init__(self, pool: Model, width: int):
        self.kinds: List[str] = pool.attrs["pooling"]
        self.width = width
        self.attention = next((n for n in pool.walk() if n.has_ref("key_transform")), None)

    def initial(self) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """The state before the first token: the number of tokens and the sums over them, in
        double precision since texts may be long; and rows that are last or highest."""
        sums = numpy.zeros(1 + sum(self._size(kind) for kind in self.kinds if kind in SUMS))
        # Below every token.
        rows = [numpy.full(self.width, -numpy.inf) for kind in self.kinds if kind not in SUMS]
        return sums, numpy.concatenate([*rows, []]).astype("float32")

    def _size(self, kind: str) -> int:
        # Attention keeps its sum of weights beside.
        return self.width + 1 if kind == "attention" else self.width

    def _parts(self, sums: numpy.ndarray, rows: numpy.ndarray) -> Iterator[Tuple[str, Any]]:
        """The part of the states that each pooling keeps."""
        place = {True: 1, False: 0}
        for kind in self.kinds:
            start, end = place[kind in SUMS], place[kind in SUMS] + self._size(kind)
            yield kind, (sums if kind in SUMS else rows)[:, start:end]
            place[kind in SUMS] = end

    def add(
        self, data: numpy.ndarray, lengths: numpy.ndarray, sums: numpy.ndarray, rows: numpy.ndarray
    ) -> None:
        """Go on with more tokens, and write the states after them over those before.

        data: The tokens of all texts, of shape (tokens, width). lengths: Of each text, at
        least 1. sums, rows: The states, of shapes (texts, size of either).
        """
        sums[:, 0] += lengths
        counts: Any = lengths.astype("int32")
        for kind, part in self._parts(sums, rows):
            if kind == "last":
                part[:] = data[lengths.cumsum() - 1]
            elif kind == "mean":
                part += CPU.reduce_sum(data.astype("float64"), counts)
            elif kind == "max":
                numpy.maximum(part, CPU.reduce_max(data, counts)[0], out=part)
            else:
                part += CPU.reduce_sum(self._weighted(data), counts)

    def _weighted(self, rows: numpy.ndarray) -> numpy.ndarray:
        """Each token's weight, and beside it its row times that: a softmax over tokens
        is the sum of the second over the sum of the first."""
        layer: Any = self.attention
        keys = layer.get_ref("key_transform").predict(layer.ops.asarray2f(rows))
        logits = layer.ops.gemm(keys, layer.get_param("Q").reshape(-1, 1))
        # thinc clips as well, so that nothing overflows.
        weights = numpy.exp(layer.ops.to_numpy(logits).astype("float64").clip(-20.0, 20.0))
        return numpy.concatenate((weights, weights * rows), axis=1)

    def pooled(self, sums: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
        """The poolings side by side, as the layer returns them, of shape (texts, width of
        all). sums, rows: The states of texts that have a token."""
        found = []
        for kind, part in self._parts(sums, rows):
            if kind == "mean":
                part = part / sums[:, :1]
            elif kind == "attention":
                part = part[:, 1:] / part[:, :1]
            found.append(part.astype("float32"))
        return numpy.concatenate(found, axis=1)

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
