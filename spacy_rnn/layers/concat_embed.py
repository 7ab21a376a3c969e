"""`spacy-rnn.ConcatEmbed.v1`: several embeddings of the same tokens, side by side."""

from typing import Any, Callable, Dict, Sequence, Tuple

import numpy
from spacy.util import registry
from thinc.api import Model
from thinc.layers.concatenate import init

from ..bridge.ragged import Rows, read_tokens, takes_lists
from ..bridge.tokens import Tokens
from ..types import RowsOut, TokensIn
from .running import TokensAlone


@registry.architectures("spacy-rnn.ConcatEmbed.v1")
def build_concat_embed_v1(*layers: Model[TokensIn, RowsOut]) -> Model[TokensIn, RowsOut]:
    """What several embeddings know of a token, side by side: for the slots `tok2vec` of
    `spacy-rnn.TextCatRNN.v2` and `embed` of `spacy.Tok2Vec.v2`.

    layers: Embeddings, as `spacy-rnn.VocabEmbed.v1`, `spacy-rnn.StaticVectors.v1` or any other
        layer from documents to rows of a known width. A config has each in a section of its own:
        `[....embed.*.words]`, `[....embed.*.vectors]`, with names of its choice.
    RETURNS: A model from documents to one array per document, of shape (tokens, width), where
        the widths of the layers add up.
    """
    return side_by_side("concat_embed", layers)


def side_by_side(name: str, layers: Sequence[Model[TokensIn, RowsOut]]) -> Model[TokensIn, RowsOut]:
    """A layer of that name which has the rows of all others. See `build_concat_embed_v1`."""
    attrs: Dict[str, Any] = {"reads_flat": True}
    if all("running" in layer.attrs for layer in layers):
        attrs["running"] = TokensAlone
    width = sum(layer.get_dim("nO") for layer in layers)
    return Model(name, forward, init=init, dims={"nO": width}, attrs=attrs, layers=layers)


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
