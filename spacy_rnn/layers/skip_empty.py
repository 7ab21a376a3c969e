"""Keep documents without tokens from layers that do not take them."""

from typing import Any, Callable, Optional, Tuple

from thinc.api import Model
from thinc.types import Floats2d

from ..types import Docs
from .convert import lengths_of


def skip_empty(layer: Model[Docs, Floats2d]) -> Model[Docs, Floats2d]:
    """Run a layer on the documents that have tokens; the others get a row of zeros.
    spaCy's n-grams, for one, crash on an empty document."""
    return Model("skip_empty", forward, init=init, layers=[layer], dims={"nO": None})


def init(model: Model, X: Optional[Docs] = None, Y: Any = None) -> None:
    if Y is not None:
        model.set_dim("nO", Y.shape[1])
    full = lengths_of(X).nonzero()[0] if X is not None else []
    model.layers[0].initialize(X=[X[i] for i in full] if X and len(full) else None, Y=Y)


def forward(model: Model, docs: Docs, is_train: bool) -> Tuple[Floats2d, Callable]:
    full = lengths_of(docs).nonzero()[0]
    output: Any = model.ops.alloc2f(len(docs), model.get_dim("nO"))
    if not len(full):
        return output, lambda dY: []
    Y, backprop_layer = model.layers[0]([docs[i] for i in full], is_train)
    output[full] = Y

    def backprop(dY: Any) -> Docs:
        backprop_layer(dY[full])
        return []

    return output, backprop
