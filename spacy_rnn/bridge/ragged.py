"""One flat array for all texts, and lists of arrays where spaCy's own layers want them.

Inside of a model of this package, `Tokens` go into embeddings, and `Rows` from layer
to layer: rows of all texts one after the other, and the texts' lengths, on the CPU at all times.
A layer of this package answers in the form that it is given, so that it also fits the slots of
spaCy's layers, which take documents or lists of arrays.
"""

from dataclasses import dataclass
from functools import wraps
from typing import Any, Callable, List, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Ragged

from ..errors import Errors
from .tokens import Tokens, lengths_of


@dataclass(init=False)
class Rows(Ragged):
    """thinc's `Ragged`, with lengths that stay on the CPU.

    data: Rows of all texts, of shape (tokens, width). lengths: Of each text, of shape (texts,).
    """

    # Fields of its own: pydantic 1, by which older versions of thinc check data, does not find the
    # types of inherited ones.
    data: Any
    lengths: Any
    data_shape: Any
    starts_ends: Any = None

    def __init__(self, data: Any, lengths: Any):
        # thinc's own forgets the width of no rows.
        self.data, self.lengths = data, lengths
        self.data_shape = (-1, *data.shape[1:])


Forward = Callable[[Model, Any, bool], Tuple[Any, Callable]]


def takes_lists(forward: Forward) -> Forward:
    """Let a layer that takes `Tokens` take documents too, and one that takes a `Ragged` take
    lists of arrays. It says of itself that it takes the flat forms: see `reads_flat`."""

    @wraps(forward, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    def in_the_form_given(model: Model, X: Any, is_train: bool) -> Tuple[Any, Callable]:
        if isinstance(X, (Tokens, Ragged)):
            return forward(model, X, is_train)
        if not len(X):
            return [], lambda dYs: []
        documents = isinstance(X[0], Doc)
        flat = Tokens.of(X) if documents else join(model, X)
        Y, backprop = forward(model, flat, is_train)

        def backprop_lists(dYs: List[Any]) -> List[Any]:
            dX = backprop(join(model, dYs))
            return [] if documents else split(dX, X[0].shape[1], model)

        return split(Y, model.get_dim("nO"), model), backprop_lists

    # thinc's validation of data reads what a function says it takes.
    del in_the_form_given.__wrapped__  # type: ignore[attr-defined]
    return in_the_form_given


def join(model: Model, Xs: List[Any]) -> Rows:
    """Lists of arrays as one."""
    xp: Any = model.ops.xp
    return Rows(xp.concatenate(Xs), lengths_of(Xs))


def split(X: Rows, width: int, model: Model) -> List[Any]:
    """One array per text, views of the whole."""
    if not X.data.size:
        return [model.ops.alloc2f(0, width) for _ in X.lengths]
    return split_rows(X.data, X.lengths)


def split_rows(data: Any, lengths: Any) -> List[Any]:
    """Parts of an array, one after the other."""
    ends = numpy.cumsum(lengths)
    return [data[start:end] for start, end in zip(ends - lengths, ends)]


def reads_flat(layer: Model) -> bool:
    """Whether a layer takes `Tokens`, or `Ragged`, in place of lists."""
    return bool(layer.attrs.get("reads_flat"))


def read_tokens(layer: Model, tokens: Tokens, is_train: bool) -> Tuple[Rows, Callable]:
    """Run any layer from documents to rows over tokens.

    layer: Of this package; a `spacy.Tok2Vec.v2`, whose parts are run one by one; or any other
        of spaCy's, which reads whole documents, and of whose rows those of the tokens are kept.
    RETURNS: The rows, and a callback from their gradient.
    """
    if reads_flat(layer):
        return layer(tokens, is_train)
    if layer.has_ref("embed") and layer.has_ref("encode"):
        X, backprop_embed = read_tokens(layer.get_ref("embed"), tokens, is_train)
        Y, backprop_encode = read_rows(layer.get_ref("encode"), X, is_train)
        return Y, lambda dY: backprop_embed(backprop_encode(dY))
    return _read_documents(layer, tokens, is_train)


def read_rows(layer: Model, X: Rows, is_train: bool) -> Tuple[Rows, Callable]:
    """Run any layer from rows to rows, of this package or of spaCy's."""
    if not X.data.size:
        width = layer.maybe_get_dim("nO") or X.data.shape[1]
        return Rows(layer.ops.alloc2f(0, width), X.lengths), lambda dY: X
    if reads_flat(layer):
        return layer(X, is_train)
    width = X.data.shape[1]
    Ys, backprop = layer(split(X, width, layer), is_train)

    def backprop_flat(dY: Rows) -> Rows:
        return join(layer, backprop(split(dY, dY.data.shape[1], layer)))

    return join(layer, Ys), backprop_flat


def _check_rows(layer: Model, docs: List[Doc], Ys: List[Any]) -> None:
    """RAISES: ValueError if a document with tokens has not a row for each of them."""
    for doc, rows in zip(docs, Ys):
        if len(doc) and len(rows) != len(doc):
            message = Errors.R007.format(
                layer=layer.name, found=len(rows), expected=len(doc), text=doc.text[:60]
            )
            raise ValueError(message)


def _read_documents(layer: Model, tokens: Tokens, is_train: bool) -> Tuple[Rows, Callable]:
    if not any(map(len, tokens.docs)):
        width = layer.maybe_get_dim("nO") or 0
        return Rows(layer.ops.alloc2f(0, width), tokens.lengths), lambda dY: []
    Ys, backprop = layer(tokens.docs, is_train)
    xp: Any = layer.ops.xp
    _check_rows(layer, tokens.docs, Ys)
    # Of a document without tokens, a transformer gives an array that has no width.
    whole = xp.concatenate([rows for rows in Ys if len(rows)])
    rows, sizes = tokens.rows, lengths_of(Ys)
    if rows is None:
        return Rows(whole, tokens.lengths), lambda dY: backprop(split_rows(dY.data, sizes))
    kept = layer.ops.asarray1i(rows)  # type: ignore[arg-type]

    def backprop_documents(dY: Rows) -> Any:
        d_whole = xp.zeros_like(whole)
        d_whole[kept] = dY.data
        return backprop(split_rows(d_whole, sizes))

    return Rows(whole[kept], tokens.lengths), backprop_documents
