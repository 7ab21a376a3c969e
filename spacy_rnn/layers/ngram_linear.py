"""A linear model over hashed n-grams, with dropout: the companion of a recurrent net."""

from typing import Any, Callable, List, Optional, Tuple

import numpy
from spacy.attrs import intify_attr
from thinc.api import Model, NumpyOps, chain, with_cpu
from thinc.layers.resizable import resizable, resize_linear_weighted, resize_model
from thinc.layers.sparselinear import SparseLinear_v2
from thinc.types import Floats2d
from thinc.util import partial

from ..types import Docs

# thinc's Adam moves every weight at one pace, whatever its gradient. Features of this
# size make the sum over a text's n-grams move as fast as the net does: at ten times
# the size, it knows the training texts by heart before the net has learned anything.
SCALE = 2.5

# spaCy keeps tokens on the CPU, and thinc's sparse layer works there, also beside a GPU.
CPU = NumpyOps()


def ngram_linear(
    *, ngram_size: int, length: int, attr: str, dropout: Optional[float], nO: Optional[int]
) -> Model[Docs, Floats2d]:
    """Sum a weight per label over the n-grams of a document, divided by the square root
    of their number, so that a long text is not more certain for its length alone.

    For the arguments, see `spacy_rnn.models.ngram_linear`.
    """
    attrs = {"ngram_size": ngram_size, "attr": attr, "dropout": dropout}
    if dropout is None:
        attrs["dropout_rate"] = 0.0
    ngrams: Model = Model("ngrams", forward, attrs=attrs)
    weights = SparseLinear_v2(nO=nO, length=length)
    fill = partial(resize_linear_weighted, fill_defaults={"W": 0.0, "b": 0.0})
    labels: Model = resizable(weights, fill)
    # Not around the n-grams: with_cpu runs what it wraps in training mode at all times.
    model: Model[Docs, Floats2d] = chain(ngrams, with_cpu(labels, labels.ops))
    model.name = "ngram_linear"
    model.set_ref("labels", labels)
    model.attrs["resize_output"] = resize_output
    return model


def resize_output(model: Model, new_nO: int) -> Model:
    """Make room for more labels, whose weights are zero."""
    labels = resize_model(model.get_ref("labels"), new_nO)
    for node in model.walk():
        if node.has_dim("nO") and labels in node.walk():
            node.set_dim("nO", new_nO, force=True)
    return model


def forward(model: Model, docs: Docs, is_train: bool) -> Tuple[Tuple, Callable]:
    """Keys, values and numbers of the n-grams of each document, for `SparseLinear`."""
    rate = model.attrs.get("dropout_rate", model.attrs["dropout"]) if is_train else 0.0
    size, attr = model.attrs["ngram_size"], intify_attr(model.attrs["attr"])
    keys, values = [numpy.zeros(0, dtype="uint64")], [numpy.zeros(0, dtype="float32")]
    for doc in docs:
        found = _ngrams(doc.to_array(attr), size)
        value = SCALE / max(len(found), 1) ** 0.5
        counts = numpy.full(len(found), value, dtype="float32")
        if rate > 0.0:
            # All occurrences of an n-gram are dropped, or none.
            found, counts = numpy.unique(found, return_counts=True)
            kept = numpy.random.random(len(found)) >= rate
            found, counts = found[kept], counts[kept] * (value / (1.0 - rate))
        keys.append(found)
        values.append(counts)
    lengths = numpy.asarray([len(found) for found in keys[1:]], dtype="int32")
    data = numpy.concatenate(values).astype("float32")
    return (numpy.concatenate(keys), data, lengths), lambda d_output: []


def _ngrams(words: numpy.ndarray, ngram_size: int) -> numpy.ndarray:
    """Hashes of a document's n-grams. words: Hashes of its words, of shape (tokens,)."""
    ngrams: List[Any] = [words]
    for size in range(2, ngram_size + 1):
        if len(words) >= size:
            ngrams.append(CPU.ngrams(size, words))
    return numpy.concatenate(ngrams)
