"""Bound the cost of a long text: keep its head and its tail."""

import warnings
from typing import Any, Callable, Optional, Tuple

import numpy
from thinc.api import Model

from ..errors import Warnings
from ..types import TokenRows
from .convert import lengths_of

# Of what is kept, the share from the beginning. Verdicts stand at the end.
HEAD = 0.25


class CutCount:
    """What this process has cut so far: texts and tokens that were seen, and of these
    the ones that were cut."""

    def __init__(self) -> None:
        self.texts = self.texts_cut = self.tokens = self.tokens_cut = 0

    def add(self, lengths: numpy.ndarray, limit: int) -> None:
        """Count a batch, and say what was cut if it is the first of which any was."""
        over = numpy.maximum(lengths - limit, 0)
        first = not self.texts_cut
        self.texts += len(lengths)
        self.tokens += int(lengths.sum())
        self.texts_cut += int(numpy.count_nonzero(over))
        self.tokens_cut += int(over.sum())
        if first and self.texts_cut:
            message = Warnings.W002.format(
                texts=self.texts_cut,
                total=self.texts,
                limit=limit,
                share=f"{self.tokens_cut / self.tokens:.1%}",
            )
            warnings.warn(message, stacklevel=2)


def count_cuts(model: Model, lengths: numpy.ndarray) -> None:
    """Count, and say once, what the `keep_ends` layers in a model would cut.

    lengths: Tokens of each text, of shape (texts,).
    """
    for node in model.walk():
        if node.name == "keep_ends" and node.attrs["max_tokens"]:
            node.attrs["cut"].add(lengths, node.attrs["max_tokens"])


def keep_ends(max_tokens: int) -> Model[TokenRows, TokenRows]:
    """Cut rows out of the middle of documents longer than `max_tokens`; 0 cuts nothing.

    What is cut is counted in `attrs["cut"]`, and said in a warning the first time.
    """
    # msgpack cannot write the count, so that thinc leaves it out of the saved model:
    # it belongs to this process.
    attrs = {"max_tokens": max_tokens, "cut": CutCount()}
    return Model("keep_ends", forward, init=init, dims={"nO": None, "nI": None}, attrs=attrs)


def init(model: Model, X: Optional[TokenRows] = None, Y: Any = None) -> None:
    if X:
        model.set_dim("nI", X[0].shape[1])
        model.set_dim("nO", X[0].shape[1])


def forward(model: Model, Xs: TokenRows, is_train: bool) -> Tuple[TokenRows, Callable]:
    limit = model.attrs["max_tokens"]
    if limit == 0:
        return Xs, lambda dYs: dYs
    xp = model.ops.xp
    head = int(limit * HEAD)
    tail = limit - head

    def cut(X):
        return X if len(X) <= limit else xp.concatenate((X[:head], X[len(X) - tail :]))

    def backprop(dYs: TokenRows) -> TokenRows:
        return [_restore(model, dY, len(X), head) for dY, X in zip(dYs, Xs)]

    model.attrs["cut"].add(lengths_of(Xs), limit)
    return [cut(X) for X in Xs], backprop


def _restore(model: Model, dY: Any, length: int, head: int) -> Any:
    """A gradient of zero for what was cut."""
    if len(dY) == length:
        return dY
    dX = model.ops.alloc2f(length, dY.shape[1])
    dX[:head] = dY[:head]
    dX[length - (len(dY) - head) :] = dY[head:]
    return dX
