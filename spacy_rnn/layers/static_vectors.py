"""`spacy-rnn.StaticVectors.v1`: the pipeline's pretrained vectors, as they are."""

from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
import torch
from spacy.attrs import LOWER, ORTH
from spacy.util import registry
from thinc.api import Model
from thinc.backends import get_array_ops
from torch import Tensor, nn

from ..bridge.ragged import Rows, takes_lists
from ..bridge.shim import RNNShim, run_module, shim_of, to_torch
from ..bridge.tokens import Tokens
from ..engine.dropout import locked_dropout
from ..engine.transfer import to_device
from ..errors import Errors
from ..types import RowsOut, TokensIn
from ..vocabulary.cooccurrence import scale_of
from ..vocabulary.learning import CorpusKeys
from ..vocabulary.pretrained import log_coverage, look_up, look_up_words, require_finite
from .checks import check_at_least, check_rate
from .running import TokensAlone

# The mean length of pretrained vectors is that of so many of them.
SAMPLE = 10_000


@registry.architectures("spacy-rnn.StaticVectors.v1")
def build_static_vectors_v1(
    width: int, dropout: Optional[float] = None
) -> Model[TokensIn, RowsOut]:
    """The word vectors of `[initialize] vectors`, which training leaves as they are, also those
    of words that it has never seen. A word without a vector has that of its lower case, and else
    zeros. What is trained, and saved with the model, is a projection; the vectors themselves are
    the pipeline's.

    Other than `spacy.StaticVectors.v2` it looks each form of a batch up and projects it once,
    takes documents of several vocabularies, knows lower case, starts from rows of the same length
    whatever that of the vectors, and reads texts that are still arriving.

    width: Width of the rows that vectors of any width are projected to.
    dropout: Share of a row's features dropped in training, the same ones at each token of a
        text. null follows the dropout that `[training]` sets.
    RETURNS: A model from documents to one array per document, of shape (tokens, width).
    RAISES: ValueError for an argument out of its range.
    """
    check_at_least("width", width, 1)
    check_rate("dropout", dropout)
    attrs: Dict[str, Any] = {
        "settings": {"dropout": dropout or 0.0},
        "attr": "ORTH",
        "learn_vocab": report_coverage,
        "reads_flat": True,
        "running": TokensAlone,
    }
    if dropout is None:
        attrs["dropout_rate"] = 0.0
    shim = RNNShim(Projection, "StaticVectors")
    return Model(
        "static_vectors", forward, init=init, dims={"nO": width}, attrs=attrs, shims=[shim]
    )


class Projection(nn.Module):
    """A linear map of vectors, without a bias: zeros stay zeros.

    in_features, out_features: As in `torch.nn.Linear`.
    dropout: As in `build_static_vectors_v1`.
    """

    def __init__(self, in_features: int, out_features: int, *, dropout: float = 0.0):
        super().__init__()
        self.dropout = dropout
        self.linear = nn.Linear(in_features, out_features, bias=False)

    def forward(self, vectors: Tensor, forms: Tensor, lengths: Tensor) -> Tensor:
        """Project each form once, and give each token the row of its form.

        vectors: Of all forms, of shape (forms, in_features).
        forms: Which one each token is, of shape (tokens,).
        lengths: Tokens of each text, of shape (texts,), on the CPU.
        RETURNS: Rows of shape (tokens, out_features).
        """
        rows = self.linear(vectors).index_select(0, forms)
        return locked_dropout(rows, lengths, self.dropout, self.training)


@takes_lists
def forward(model: Model, tokens: Tokens, is_train: bool) -> Tuple[Rows, Callable]:
    """Projected vectors of tokens. Tokens have no gradient."""
    lengths = tokens.lengths
    if not lengths.any():
        return Rows(model.ops.alloc2f(0, model.get_dim("nO")), lengths), lambda dY: None
    found, forms = _vectors_of(tokens, shim_of(model).module.linear.in_features)
    vectors = to_torch(model, found)
    index = to_device(torch.from_numpy(forms), vectors.device)
    Y, backprop = run_module(model, (vectors, index, torch.from_numpy(lengths)), is_train)
    return Rows(Y, lengths), lambda dY: backprop(dY.data)


def _vectors_of(tokens: Tokens, width: int) -> Tuple[Any, numpy.ndarray]:
    """The vectors of all forms, of shape (forms, width), and which form each token is.

    RAISES: ValueError if a vocabulary has no vectors of that width.
    """
    parts: List[Any] = []
    forms = numpy.empty(len(tokens.keys(ORTH)), dtype="int64")
    count = 0
    for vocab, at in tokens.by_vocab():
        table = vocab.vectors
        if not table.shape[0] or table.shape[1] != width:
            raise ValueError(Errors.R108.format(width=width, shape=table.shape))
        keys = tokens.words(getattr(table, "attr", ORTH))[at]
        each, first, found = numpy.unique(keys, return_index=True, return_inverse=True)
        lower = tokens.words(LOWER)[at][first]
        parts.append(look_up(table, each.tolist(), lower.tolist())[0])
        forms[at] = found + count
        count += len(each)
    xp = get_array_ops(parts[0]).xp
    return xp.concatenate(parts).astype("float32", copy=False), forms


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    """Make the projection. Without documents, whose vocabulary has the vectors, it stays as it
    is: spaCy calls again with some.

    RAISES: ValueError if the pipeline has no vectors, or some that are not finite numbers.
    """
    if not X:
        return
    vectors, width = X[0].vocab.vectors, model.get_dim("nO")
    if not vectors.shape[0]:
        raise ValueError(Errors.R107.format(name="StaticVectors"))
    require_finite(vectors)
    shim, in_features = shim_of(model), vectors.shape[1]
    shim.build(in_features=in_features, out_features=width, **model.attrs["settings"])
    sample = get_array_ops(vectors.data).to_numpy(vectors.data[:SAMPLE])
    weight = shim.module.linear.weight
    projected = torch.from_numpy(sample).float() @ weight.detach().cpu().t()
    weight.data *= scale_of(projected)


def report_coverage(model: Model, corpus: CorpusKeys) -> None:
    """Say how many of a corpus's words have a vector. There is nothing to learn."""
    vectors = next(iter(corpus.docs.values())).vocab.vectors
    words = [word for word, _ in corpus.counts(ORTH)]
    if vectors.shape[0]:
        _, known = look_up_words(vectors, words)
        log_coverage("StaticVectors", "a vector", words, known, corpus, "ORTH")
