"""Bound the cost of a long text: keep its head and its tail."""

import warnings
from typing import Any, Callable, Dict, Optional, Tuple

import numpy
from thinc.api import Model

from ..bridge.ragged import Rows
from ..errors import Errors, Warnings
from .running import Chain, Running

# Of what is kept, the share from the beginning. Verdicts stand at the end.
HEAD = 0.25


class CutCount:
    """What this process has cut so far: texts and tokens that were seen, and of these
    the ones that were cut.

    limit: Tokens of a text that are kept; 0 for all, and nothing is counted.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.texts = self.texts_cut = self.tokens = self.tokens_cut = 0

    def add(self, lengths: numpy.ndarray) -> None:
        """Count a batch, and say what was cut if it is the first of which any was."""
        if not self.limit:
            return
        over = numpy.maximum(lengths - self.limit, 0)
        first = not self.texts_cut
        self.texts += len(lengths)
        self.tokens += int(lengths.sum())
        self.texts_cut += int(numpy.count_nonzero(over))
        self.tokens_cut += int(over.sum())
        if first and self.texts_cut:
            share = f"{self.tokens_cut / self.tokens:.1%}"
            found = {"texts": self.texts_cut, "total": self.texts, "share": share}
            warnings.warn(Warnings.W002.format(limit=self.limit, **found), stacklevel=2)


def truncate(max_tokens: int, **node: Any) -> Model[Rows, Rows]:
    """Cut rows out of the middle of texts longer than `max_tokens`; 0 cuts nothing.

    What is cut is counted in `attrs["cut"]`, and said in a warning the first time.

    node: Other arguments of `thinc.Model`.
    """
    # msgpack cannot write the count, so that thinc leaves it out of the saved model:
    # it belongs to this process.
    attrs: Dict[str, Any] = {
        "max_tokens": max_tokens,
        "cut": CutCount(max_tokens),
        "differentiate": differentiate,
        "running": run_whole,
    }
    # Models saved by version 0.3 have these widths; nobody asks for them.
    dims: Dict[str, Optional[int]] = {"nO": None, "nI": None}
    return Model("truncate", forward, dims=dims, attrs=attrs, **node)


def forward(model: Model, X: Any, is_train: bool) -> Tuple[Rows, Callable]:
    """The rows that are kept. X: Rows; a node that stands for others, too, is initialized with
    what these take."""
    if model.attrs["max_tokens"]:
        model.attrs["cut"].add(X.lengths)
    return differentiate(model, X)


def differentiate(model: Model, X: Rows) -> Tuple[Rows, Callable]:
    """As `forward`, without counting: it is not the first time that these texts are read."""
    rows: Any = kept_rows(model, X.lengths)
    if rows is None:
        return X, lambda dY: dY
    limit = model.attrs["max_tokens"]
    kept: Any = model.ops.asarray1i(rows)
    data = X.data

    def backprop(dY: Rows) -> Rows:
        dX: Any = model.ops.alloc2f(*data.shape)
        dX[kept] = dY.data
        return Rows(dX, X.lengths)

    return Rows(data[kept], numpy.minimum(X.lengths, limit)), backprop


def kept_rows(model: Model, lengths: numpy.ndarray) -> Optional[numpy.ndarray]:
    """Which rows of all texts are in the head or in the tail of theirs; None where all are kept.

    model: The layer. lengths: Tokens of each text, of shape (texts,).
    """
    limit = model.attrs["max_tokens"]
    if not limit or lengths.max(initial=0) <= limit:
        return None
    starts = lengths.cumsum() - lengths
    place = numpy.arange(lengths.sum()) - starts.repeat(lengths)
    head = int(limit * HEAD)
    kept = (place < head) | (place >= (lengths - (limit - head)).repeat(lengths))
    return kept.nonzero()[0]


def run_whole(name: str, model: Model) -> Running:
    """The running form, for a layer that cuts nothing.

    RAISES: ValueError for another: where a text ends is not known before its end.
    """
    if model.attrs["max_tokens"]:
        raise ValueError(Errors.R707.format(name=name, limit=model.attrs["max_tokens"]))
    return Chain([])
