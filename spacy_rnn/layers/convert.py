"""Between lists of arrays, one per document, and torch's flat tensors."""

from typing import Any, Callable, List, Tuple

import numpy
from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.compat import torch
from thinc.types import Floats2d

from ..types import Docs, TokenRows
from .shim import shim_of


def lengths_of(Xs: List[Any]) -> numpy.ndarray:
    """The number of tokens of each document, of shape (docs,)."""
    return numpy.fromiter(map(len, Xs), dtype="int64", count=len(Xs))


def keys_of(docs: Docs, attr: int) -> numpy.ndarray:
    """An attribute of all tokens of all documents, of shape (tokens,): for words, their
    hashes in spaCy's string store."""
    keys = [doc.to_array(attr) for doc in docs]
    return numpy.concatenate(keys) if keys else numpy.empty(0, dtype="uint64")


def follow_dropout_rate(model: Model, is_train: bool) -> None:
    """Hand the rate that spaCy set on the layer to the torch module: `[training]
    dropout` is written into `attrs`, of which torch knows nothing. Layers with a rate
    of their own have no such attribute."""
    if is_train and "dropout_rate" in model.attrs:
        shim_of(model).module.dropout = model.attrs["dropout_rate"]


def flatten(model: Model, Xs: TokenRows) -> Floats2d:
    """All rows of all documents, of shape (tokens, width): not a copy, where `split` has
    made them of one array. It must not be written to."""
    if not Xs:
        return model.ops.alloc2f(0, model.maybe_get_dim("nI") or 0)
    whole: Any = _whole(Xs)
    return _xp(model).concatenate(Xs) if whole is None else whole


def _whole(Xs: List[Any]) -> Any:
    """The array that all are views of, one after the other, or None if there is none."""
    whole = Xs[0].base
    if not isinstance(whole, numpy.ndarray) or whole.ndim != 2 or len(whole) != sum(map(len, Xs)):
        return None
    place = whole.__array_interface__["data"][0]
    for X in Xs:
        if X.base is not whole or X.strides != whole.strides or X.shape[1:] != whole.shape[1:]:
            return None
        if len(X) and X.__array_interface__["data"][0] != place:
            return None
        place += X.nbytes
    return whole


def split(X: Any, lengths: numpy.ndarray) -> TokenRows:
    """One array per document, views of the whole."""
    ends = numpy.cumsum(lengths)
    return [X[start:end] for start, end in zip(ends - lengths, ends)]


def rows_to_torch(model: Model, Xs: TokenRows, is_train: bool) -> Tuple[ArgsKwargs, Callable]:
    """Arguments (data, lengths) for a torch module, and the way back of the gradient."""
    follow_dropout_rate(model, is_train)
    lengths = lengths_of(Xs)
    data = xp2torch(flatten(model, Xs), requires_grad=is_train, device=shim_of(model).device)

    def get_dX(dXtorch: ArgsKwargs) -> TokenRows:
        return split(torch2xp(dXtorch.args[0]), lengths)

    return ArgsKwargs(args=(data, torch.from_numpy(lengths)), kwargs={}), get_dX


def torch_to_rows(model: Model, X_Ytorch: Any, is_train: bool) -> Tuple[TokenRows, Callable]:
    """One array per document from a module's (tokens, width), and the way back."""
    Xs, Ytorch = X_Ytorch
    Ys = split(torch2xp(Ytorch), lengths_of(Xs))

    def get_dYtorch(dYs: TokenRows) -> ArgsKwargs:
        dY = xp2torch(_xp(model).concatenate(dYs), device=shim_of(model).device)
        return ArgsKwargs(args=((Ytorch,),), kwargs={"grad_tensors": (dY,)})

    return Ys, get_dYtorch


def _xp(model: Model) -> Any:
    """numpy or cupy, which thinc does not type."""
    return model.ops.xp
