"""Keep blank tokens from a model of tokens."""

from typing import Any, Callable, List, Tuple

import numpy
from spacy.attrs import IS_SPACE
from spacy.tokens import Doc
from thinc.api import Model

from ..types import Docs, TokenRows
from .convert import split


def without_blanks(layer: Model[Docs, TokenRows]) -> Model[Docs, TokenRows]:
    """Run a model over documents as if they had no blank tokens; these get zeros.

    A listener gets whole documents: its upstream component has read them.
    """
    if any("listener" in node.name for node in layer.walk()):
        return layer
    return Model("without_blanks", forward, layers=[layer])


def forward(
    model: Model[Docs, TokenRows], docs: Docs, is_train: bool
) -> Tuple[TokenRows, Callable]:
    kept = [numpy.equal(doc.to_array(IS_SPACE), 0) for doc in docs]
    if all(keep.all() for keep in kept):
        return model.layers[0](docs, is_train)
    Ys, backprop_layer = model.layers[0](list(map(strip_blanks, docs)), is_train)
    flat: Any = numpy.concatenate(kept)
    lengths = numpy.asarray([len(keep) for keep in kept])
    rows = model.ops.asarray1i(flat.nonzero()[0])
    xp: Any = model.ops.xp
    found = xp.concatenate(Ys)
    whole: Any = model.ops.alloc2f(len(flat), found.shape[1])
    whole[rows] = found

    def backprop(dYs: TokenRows) -> List:
        inner = xp.concatenate(dYs)[rows]
        return backprop_layer(split(inner, numpy.asarray([keep.sum() for keep in kept])))

    return split(whole, lengths), backprop


def strip_blanks(doc: Doc) -> Doc:
    """The document itself, or one of its tokens that are not blank, where some are."""
    if not doc.to_array(IS_SPACE).any():
        return doc
    return Doc(doc.vocab, words=[token.text for token in doc if not token.is_space])
