"""One vector per text out of one per token."""

from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy
import torch
from thinc.api import (
    Gelu,
    Model,
    NumpyOps,
    ParametricAttention_v2,
    chain,
    concatenate,
    reduce_last,
    reduce_mean,
    reduce_sum,
)
from thinc.layers.reduce_max import forward as reduce_max_forward
from thinc.types import Floats2d, Ragged

from ..bridge.ragged import Rows
from ..engine.threads import one_thread
from ..errors import Errors
from .running import Running, States

POOLINGS = ("last", "mean", "max", "attention")
# The poolings that keep sums over tokens; the others keep one token's numbers each.
SUMS = ("mean", "attention")
CPU = NumpyOps()


def pool(pooling: List[str], width: Optional[int], *, bidirectional: bool) -> Model[Rows, Floats2d]:
    """Pool the tokens of each text, in one or more ways side by side.

    Only the text's own tokens take part; one without tokens pools to zeros.

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
    attrs = {"pooling": pooling, "both_ways": bidirectional, "running": RunningPool}
    return Model("pool", forward, init=init, layers=[reductions], dims=dims, attrs=attrs)


def init(model: Model, X: Optional[Rows] = None, Y: Any = None) -> None:
    if X is None or not X.data.size:
        model.layers[0].initialize()
        return
    full = Rows(X.data, model.ops.asarray1i(X.lengths[X.lengths > 0]))
    model.layers[0].initialize(X=full)
    model.set_dim("nI", X.data.shape[1])
    model.set_dim("nO", model.layers[0].predict(full).shape[1])


def forward(model: Model, X: Rows, is_train: bool) -> Tuple[Floats2d, Callable]:
    """Vectors of all texts, of shape (texts, width of all poolings)."""
    lengths: Any = X.lengths
    if not X.data.size:
        return model.ops.alloc2f(len(lengths), model.get_dim("nO")), lambda dY: X
    short = len(lengths) == 1 and isinstance(X.data, numpy.ndarray)
    if short and not is_train and "attention" not in model.attrs["pooling"]:
        return _pool_one(model, X.data), lambda dY: X
    if lengths.all():
        return _pool_full(model, X, is_train)
    full = lengths.nonzero()[0]
    Y, backprop_full = _pool_full(model, Rows(X.data, lengths[full]), is_train)
    full = model.ops.asarray1i(full)
    pooled: Any = model.ops.alloc2f(len(lengths), model.get_dim("nO"))
    pooled[full] = Y
    return pooled, lambda dY: Rows(backprop_full(dY[full]).data, lengths)


def _pool_one(model: Model, data: Any) -> Any:
    """The poolings of one text on the CPU: a short one is pooled before thinc's layers are
    called."""
    both_ways, half = model.attrs["both_ways"], data.shape[1] // 2
    found = []
    for kind in model.attrs["pooling"]:
        if kind == "mean":
            found.append(numpy.add.reduce(data, 0) / len(data))
        elif kind == "max":
            found.append(numpy.maximum.reduce(data, 0))
        else:
            found += [data[-1, :half], data[0, half:]] if both_ways else [data[-1]]
    return numpy.concatenate(found)[None]


def _pool_full(model: Model, X: Rows, is_train: bool) -> Tuple[Any, Callable]:
    """Pool texts that all have a token."""
    on_device = Rows(X.data, model.ops.asarray1i(X.lengths))
    Y, backprop = model.layers[0](on_device, is_train)
    return Y, lambda dY: Rows(backprop(dY).data, X.lengths)


def highest() -> Model[Ragged, Floats2d]:
    """thinc's `reduce_max`, faster in prediction on a CPU, where it does not matter which token
    was the highest."""
    return Model("reduce_max", forward_highest)


def forward_highest(model: Model[Ragged, Floats2d], X: Any, is_train: bool) -> Tuple[Any, Callable]:
    if is_train or not isinstance(X.data, numpy.ndarray):
        return reduce_max_forward(model, X, is_train)
    with one_thread():
        data = torch.from_numpy(X.data)
        Y = data.new_empty(len(X.lengths), data.shape[1])
        for tokens, row in zip(data.split(X.lengths.tolist()), Y):
            torch.amax(tokens, 0, out=row)
    return Y.numpy(), lambda dY: X


def last_states() -> Model[Rows, Floats2d]:
    """The states that have read the whole text: forward half of the last token,
    backward half of the first one."""
    return Model("last_states", forward_last_states)


def forward_last_states(
    model: Model[Rows, Floats2d], X: Rows, is_train: bool
) -> Tuple[Floats2d, Callable]:
    data: Any = X.data
    half = data.shape[1] // 2
    ends = X.lengths.cumsum() - 1
    starts = ends - X.lengths + 1
    Y = model.ops.alloc2f(len(ends), 2 * half)
    Y[:, :half], Y[:, half:] = data[ends, :half], data[starts, half:]

    def backprop(dY: Any) -> Rows:
        dX: Any = model.ops.alloc(data.shape)
        dX[ends, :half] = dY[:, :half]
        dX[starts, half:] = dY[:, half:]
        return Rows(dX, X.lengths)

    return Y, backprop


class RunningPool(Running):
    """The poolings over the tokens so far. The state has two parts: the number of tokens and
    the sums over them, in double precision since texts may be long; and rows that are last or
    highest.

    name: Of the component. layer: A `pool`, whose width is known.
    """

    def __init__(self, name: str, layer: Model):
        self.kinds: List[str] = layer.attrs["pooling"]
        self.width = layer.get_dim("nI")
        self.attention = next((n for n in layer.walk() if n.has_ref("key_transform")), None)
        sums = numpy.zeros(1 + sum(self._size(kind) for kind in self.kinds if kind in SUMS))
        # Below every token.
        rows = [numpy.full(self.width, -numpy.inf) for kind in self.kinds if kind not in SUMS]
        self.initial = [sums, numpy.concatenate([*rows, []]).astype("float32")]

    def _size(self, kind: str) -> int:
        # Attention keeps its sum of weights beside.
        return self.width + 1 if kind == "attention" else self.width

    def _parts(self, states: States) -> Iterator[Tuple[str, Any]]:
        """The part of the states that each pooling keeps."""
        sums, rows = states
        place = {True: 1, False: 0}
        for kind in self.kinds:
            start, end = place[kind in SUMS], place[kind in SUMS] + self._size(kind)
            yield kind, (sums if kind in SUMS else rows)[:, start:end]
            place[kind in SUMS] = end

    def add(self, X: Rows, states: States) -> numpy.ndarray:
        """RETURNS: The poolings side by side, as the layer returns them, of shape (texts,
        width of all)."""
        data, lengths = X.data, X.lengths
        states[0][:, 0] += lengths
        for kind, part in self._parts(states):
            if kind == "last":
                part[:] = data[lengths.cumsum() - 1]
            elif kind == "mean":
                part += self._reduce(CPU.reduce_sum, data.astype("float64"), lengths)
            elif kind == "max":
                numpy.maximum(part, self._reduce(_max, data, lengths), out=part)
            else:
                part += self._reduce(CPU.reduce_sum, self._weighted(data), lengths)
        return self._pooled(states)

    def _reduce(self, reduce: Callable, data: Any, lengths: numpy.ndarray) -> Any:
        # Most often each text has one new token.
        return data if len(data) == len(lengths) else reduce(data, lengths.astype("int32"))

    def _weighted(self, rows: Any) -> numpy.ndarray:
        """Each token's weight, and beside it its row times that: a softmax over tokens
        is the sum of the second over the sum of the first."""
        layer: Any = self.attention
        keys = layer.get_ref("key_transform").predict(layer.ops.asarray2f(rows))
        logits = layer.ops.gemm(keys, layer.get_param("Q").reshape(-1, 1))
        # thinc clips as well, so that nothing overflows.
        weights = numpy.exp(layer.ops.to_numpy(logits).astype("float64").clip(-20.0, 20.0))
        return numpy.concatenate((weights, weights * rows), axis=1)

    def _pooled(self, states: States) -> numpy.ndarray:
        found = []
        for kind, part in self._parts(states):
            if kind == "mean":
                part = part / states[0][:, :1]
            elif kind == "attention":
                part = part[:, 1:] / part[:, :1]
            found.append(part.astype("float32"))
        return numpy.concatenate(found, axis=1)

    def after_each(self, X: Rows) -> numpy.ndarray:
        """What is pooled after each token of one text, of shape (tokens, width of all)."""
        rows: Any = X.data
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


def _max(data: Any, lengths: Any) -> Any:
    return CPU.reduce_max(data, lengths)[0]
