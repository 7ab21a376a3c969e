"""One vector per document out of one per token."""

from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
from thinc.api import (
    Gelu,
    Model,
    ParametricAttention_v2,
    chain,
    concatenate,
    reduce_last,
    reduce_mean,
    reduce_sum,
)
from thinc.compat import torch
from thinc.layers.reduce_max import forward as reduce_max_forward
from thinc.types import Floats2d, Ragged

from ..errors import Errors
from ..types import TokenRows
from .convert import flatten, lengths_of, split

POOLINGS = ("last", "mean", "max", "attention")


def pool(
    pooling: List[str], width: Optional[int], *, bidirectional: bool
) -> Model[TokenRows, Floats2d]:
    """Pool the tokens of each document, in one or more ways side by side.

    Only the document's own tokens take part; one without tokens pools to zeros.

    pooling: One or more of "last", "mean", "max" and "attention".
    width: Width of a token's row, None to infer it.
    bidirectional: The second half of each row comes from a net that reads backwards:
        its last state, the one that has read the whole text, is at the first token.
    RAISES: ValueError for an unknown pooling, or none.
    """
    if not pooling or any(kind not in POOLINGS for kind in pooling):
        raise ValueError(Errors.R201.format(found=pooling, allowed=POOLINGS))
    kinds: Dict[str, Callable[[], Model]] = {
        "last": last_states if bidirectional else reduce_last,
        "mean": reduce_mean,
        "max": highest,
        "attention": lambda: chain(
            ParametricAttention_v2(key_transform=Gelu(nO=width, nI=width), nO=width),
            reduce_sum(),
        ),
    }
    reductions: Model = concatenate(*(kinds[kind]() for kind in pooling))
    nO = None if width is None else width * len(pooling)
    dims = {"nI": width, "nO": nO}
    attrs = {"pooling": pooling}
    return Model("pool", forward, init=init, layers=[reductions], dims=dims, attrs=attrs)


def init(model: Model, X: Optional[TokenRows] = None, Y: Any = None) -> None:
    rows = [x for x in X or [] if len(x)]
    if not rows:
        model.layers[0].initialize()
        return
    ragged = Ragged(flatten(model, rows), _lengths(model, lengths_of(rows)))
    model.layers[0].initialize(X=ragged)
    model.set_dim("nI", rows[0].shape[1])
    model.set_dim("nO", model.layers[0].predict(ragged).shape[1])


def forward(model: Model, Xs: TokenRows, is_train: bool) -> Tuple[Floats2d, Callable]:
    lengths = lengths_of(Xs)
    full: Any = lengths.nonzero()[0]
    pooled: Any = model.ops.alloc2f(len(Xs), model.get_dim("nO"))
    if not len(full):
        return pooled, lambda dY: list(Xs)
    ragged = Ragged(flatten(model, Xs), _lengths(model, lengths[full]))
    Y, backprop_reductions = model.layers[0](ragged, is_train)
    full = model.ops.asarray1i(full)
    pooled[full] = Y

    def backprop(dY: Any) -> TokenRows:
        return split(backprop_reductions(dY[full]).dataXd, lengths)

    return pooled, backprop


def highest() -> Model[Ragged, Floats2d]:
    """thinc's `reduce_max`, faster in prediction on a CPU, where nobody asks which token was
    the highest."""
    return Model("reduce_max", forward_highest)


def forward_highest(
    model: Model[Ragged, Floats2d], X: Ragged, is_train: bool
) -> Tuple[Floats2d, Callable]:
    if is_train or not isinstance(X.data, numpy.ndarray):
        return reduce_max_forward(model, X, is_train)
    from ..modules.threads import one_thread

    with one_thread():
        data = torch.from_numpy(X.dataXd)
        Y = data.new_empty(len(X.lengths), data.shape[1])
        for tokens, row in zip(data.split(X.lengths.tolist()), Y):
            torch.amax(tokens, 0, out=row)
    return Y.numpy(), lambda dY: X


def _lengths(model: Model, lengths: Any) -> Any:
    return model.ops.asarray1i(lengths)


def last_states() -> Model[Ragged, Floats2d]:
    """The states that have read the whole text: forward half of the last token,
    backward half of the first one."""
    return Model("last_states", forward_last_states)


def forward_last_states(
    model: Model[Ragged, Floats2d], X: Ragged, is_train: bool
) -> Tuple[Floats2d, Callable]:
    data: Any = X.dataXd
    half = data.shape[1] // 2
    ends = X.lengths.cumsum() - 1
    starts = ends - X.lengths + 1
    Y = model.ops.alloc2f(len(ends), 2 * half)
    Y[:, :half], Y[:, half:] = data[ends, :half], data[starts, half:]

    def backprop(dY: Any) -> Ragged:
        dX: Any = model.ops.alloc(data.shape)
        dX[ends, :half] = dY[:, :half]
        dX[starts, half:] = dY[:, half:]
        return Ragged(dX, X.lengths)

    return Y, backprop
