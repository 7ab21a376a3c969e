"""`spacy-rnn.WordCharEmbed.v1`: embeddings of words beside those of their characters."""

from typing import Any, Callable, Dict, Tuple

import numpy
from spacy.ml.staticvectors import StaticVectors
from spacy.util import registry
from thinc.api import Model, chain, ragged2list
from thinc.layers.concatenate import init

from ..bridge.ragged import Rows, read_tokens, takes_lists
from ..bridge.tokens import Tokens
from ..types import RowsOut, TokensIn
from .running import TokensAlone


@registry.architectures("spacy-rnn.WordCharEmbed.v1")
def build_word_char_embed_v1(
    words: Model[TokensIn, RowsOut],
    chars: Model[TokensIn, RowsOut],
    include_static_vectors: bool = False,
) -> Model[TokensIn, RowsOut]:
    """What is known of a word itself, beside what its characters tell of it: for the
    `embed` slot of `spacy.Tok2Vec.v2`.

    words: Embeddings of words, as `spacy-rnn.VocabEmbed.v1`.
    chars: Embeddings of their characters, as `spacy-rnn.CharRNNEmbed.v1`.
    include_static_vectors: Add the pipeline's word vectors, which training leaves as they
        are, projected to the width of `words`: `[initialize] vectors` names them.
    RETURNS: A model from documents to one array per document, of shape (tokens, width),
        where the widths of the parts add up.
    """
    parts = [words, chars]
    if include_static_vectors:
        width = words.get_dim("nO")
        vectors: Model = chain(StaticVectors(nO=width), ragged2list())
        vectors.set_dim("nO", width)
        vectors.attrs["running"] = TokensAlone
        parts.append(vectors)
    attrs: Dict[str, Any] = {"reads_flat": True}
    if all("running" in part.attrs for part in parts):
        attrs["running"] = TokensAlone
    width = sum(part.get_dim("nO") for part in parts)
    return Model(
        "word_char_embed", forward, init=init, dims={"nO": width}, attrs=attrs, layers=parts
    )


@takes_lists
def forward(model: Model, tokens: Tokens, is_train: bool) -> Tuple[Rows, Callable]:
    """The parts side by side."""
    if not tokens.lengths.any():
        return Rows(model.ops.alloc2f(0, model.get_dim("nO")), tokens.lengths), lambda dY: None
    found = [read_tokens(layer, tokens, is_train) for layer in model.layers]
    xp: Any = model.ops.xp
    ends = numpy.cumsum([Y.data.shape[1] for Y, _ in found]).tolist()

    def backprop(dY: Rows) -> None:
        parts = xp.split(dY.data, ends[:-1], axis=1)
        for (_, backprop_layer), part in zip(found, parts):
            backprop_layer(Rows(xp.ascontiguousarray(part), tokens.lengths))

    return Rows(xp.concatenate([Y.data for Y, _ in found], axis=1), tokens.lengths), backprop
