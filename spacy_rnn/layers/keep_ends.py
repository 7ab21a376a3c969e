"""Bound the cost of a long text: keep its head and its tail."""

import warnings
from typing import Any, Callable, Optional, Tuple

from thinc.api import Model

from ..errors import Warnings
from ..types import TokenRows

# Of what is kept, the share from the beginning. Verdicts stand at the end.
HEAD = 0.25


class CutCount:
    """How much was cut so far: texts and tokens seen, texts and tokens cut."""

    def __init__(self) -> None:
        self.texts = self.texts_cut = self.tokens = self.tokens_cut = 0


def keep_ends(max_tokens: int) -> Model[TokenRows, TokenRows]:
    """Cut rows out of the middle of documents longer than `max_tokens`; 0 cuts nothing.

    What is cut is counted in `attrs["cut"]`, and said in a warning the first time.
    """
    # The name of an attribute of a class that msgpack cannot write is left out of
    # the saved model: the count belongs to this process.
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

    _count(model, Xs, limit)
    return [cut(X) for X in Xs], backprop


def _restore(model: Model, dY: Any, length: int, head: int) -> Any:
    """A gradient of zero for what was cut."""
    if len(dY) == length:
        return dY
    dX = model.ops.alloc2f(length, dY.shape[1])
    dX[:head] = dY[:head]
    dX[length - (len(dY) - head) :] = dY[head:]
    return dX


def _count(model: Model, Xs: TokenRows, limit: int) -> None:
    count: CutCount = model.attrs["cut"]
    said = count.texts_cut > 0
    long = [len(X) - limit for X in Xs if len(X) > limit]
    count.texts += len(Xs)
    count.tokens += sum(map(len, Xs))
    count.texts_cut += len(long)
    count.tokens_cut += sum(long)
    if long and not said:
        message = Warnings.W002.format(
            texts=len(long), total=len(Xs), limit=limit, tokens=sum(long)
        )
        warnings.warn(message, stacklevel=2)
