"""One vector per text out of one per token."""

from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
from thinc.api import (
    Gelu,
    Model,
    NumpyOps,
    ParametricAttention_v2,
    chain,
    concatenate,
    reduce_last,
    reduce_max,
    reduce_mean,
    reduce_sum,
)
from thinc.types import Floats2d

from ..bridge.ragged import Rows
from ..errors import Errors
from .running import Running, States

POOLINGS = ("last", "mean", "max", "attention")
# The poolings that are weighted means of tokens, in a running form kept as sums.
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
        "max": reduce_max,
        "attention": lambda: chain(
            ParametricAttention_v2(key_transform=Gelu(nO=width, nI=width), nO=width),
            reduce_sum(),
        ),
    }
    reductions: Model = concatenate(*(kinds[kind]() for kind in pooling))
    dims = {"nI": width, "nO": None if width is None else width * len(pooling)}
    attrs: Dict[str, Any] = {
        "pooling": pooling,
        "both_ways": bidirectional,
        "running": RunningPool,
    }
    if "attention" in pooling:
        attrs["attention"] = attention_weights
    return Model("pool", forward, init=init, layers=[reductions], dims=dims, attrs=attrs)


def init(model: Model, X: Optional[Rows] = None, Y: Any = None) -> None:
    """Let the poolings see a sample, all of it as one text."""
    if X is None or not X.data.size:
        model.layers[0].initialize()
        return
    rows, width = X.data.shape
    model.layers[0].initialize(X=Rows(X.data, model.ops.asarray1i([rows])))
    model.set_dim("nI", width)
    model.set_dim("nO", width * len(model.attrs["pooling"]))


def forward(model: Model, X: Rows, is_train: bool) -> Tuple[Floats2d, Callable]:
    """Vectors of all texts, of shape (texts, width of all poolings)."""
    lengths: Any = X.lengths
    if not X.data.size:
        return model.ops.alloc2f(len(lengths), model.get_dim("nO")), lambda dY: X
    short = len(lengths) == 1 and isinstance(X.data, numpy.ndarray)
    if short and not is_train and "attention" not in model.attrs["pooling"]:
        return _pool_one(model, X.data), lambda dY: X
    full: Any = model.ops.asarray1i(lengths.nonzero()[0])
    on_device = Rows(X.data, model.ops.asarray1i(lengths[lengths > 0]))
    Y, backprop = model.layers[0](on_device, is_train)
    if len(full) == len(lengths):
        return Y, lambda dY: Rows(backprop(dY).data, lengths)
    pooled: Any = model.ops.alloc2f(len(lengths), model.get_dim("nO"))
    pooled[full] = Y
    return pooled, lambda dY: Rows(backprop(dY[full]).data, lengths)


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


def attention_weights(model: Model, X: Rows) -> Any:
    """How much of its text's vector each token is by attention: the weights of a text sum to 1.

    model: A `pool` with attention. X: The rows that it pools. RETURNS: Of shape (tokens,).
    """
    if not X.data.size:
        return model.ops.alloc1f(0)
    lengths = model.ops.asarray1i(X.lengths[X.lengths > 0])
    logits = attention_logits(_attention_in(model), X.data)
    return model.ops.softmax_sequences(logits, lengths).ravel()


def attention_logits(layer: Model, rows: Any) -> Any:
    """What thinc's attention takes the softmax of, of shape (tokens, 1). rows: Of tokens."""
    keys = layer.get_ref("key_transform").predict(rows)
    Q: Any = layer.get_param("Q")
    return layer.ops.gemm(keys, Q.reshape(-1, 1))


def _attention_in(model: Model) -> Any:
    return next((node for node in model.walk() if node.has_ref("key_transform")), None)


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
    """The poolings over the tokens so far. Each has a part of the state: "last" and "max" a row,
    and the others the sum of weights and of rows times these, in double precision since texts
    may be long.

    name: Of the component. layer: A `pool`, whose width is known.
    """

    def __init__(self, name: str, layer: Model):
        self.kinds: List[str] = layer.attrs["pooling"]
        self.attention = _attention_in(layer)
        width = layer.get_dim("nI")
        # A row below every token.
        lowest = numpy.full(width, -numpy.inf, dtype="float32")
        self.initial = [numpy.zeros(1 + width) if k in SUMS else lowest for k in self.kinds]

    def add(self, X: Rows, states: States) -> numpy.ndarray:
        """RETURNS: The poolings side by side, as the layer returns them, of shape (texts,
        width of all)."""
        for kind, state in zip(self.kinds, states):
            rows = self._terms(kind, X.data)
            if kind == "last":
                state[:] = rows[X.lengths.cumsum() - 1]
            elif kind == "max":
                numpy.maximum(state, _reduce(_max, rows, X.lengths), out=state)
            else:
                state += _reduce(CPU.reduce_sum, rows, X.lengths)
        return self._pooled(states)

    def after_each(self, X: Rows) -> numpy.ndarray:
        """What is pooled after each token of one text, of shape (tokens, width of all)."""
        states = []
        for kind in self.kinds:
            rows = self._terms(kind, X.data)
            if kind == "max":
                rows = numpy.maximum.accumulate(rows, axis=0)
            elif kind in SUMS:
                rows = rows.cumsum(axis=0)
            states.append(rows)
        return self._pooled(states)

    def _terms(self, kind: str, rows: Any) -> Any:
        """What a pooling takes of each token: for a sum its weight, and beside it its row times
        that; else its row."""
        if kind not in SUMS:
            return rows
        terms = numpy.ones((len(rows), 1 + rows.shape[1]))
        terms[:, 1:] = rows
        if kind == "attention":
            terms *= self._weights(rows)
        return terms

    def _weights(self, rows: Any) -> numpy.ndarray:
        """Each token's weight in the softmax over tokens, not yet divided by their sum."""
        layer: Any = self.attention
        logits = attention_logits(layer, layer.ops.asarray2f(rows))
        # thinc clips as well, so that nothing overflows.
        return numpy.exp(layer.ops.to_numpy(logits).astype("float64").clip(-20.0, 20.0))

    def _pooled(self, states: States) -> numpy.ndarray:
        parts = zip(self.kinds, states)
        found = [part[:, 1:] / part[:, :1] if kind in SUMS else part for kind, part in parts]
        return numpy.concatenate(found, axis=1, dtype="float32", casting="same_kind")


def _reduce(reduce: Callable, data: Any, lengths: numpy.ndarray) -> Any:
    # Most often each text has one new token.
    return data if len(data) == len(lengths) else reduce(data, lengths.astype("int32"))


def _max(data: Any, lengths: Any) -> Any:
    return CPU.reduce_max(data, lengths)[0]
