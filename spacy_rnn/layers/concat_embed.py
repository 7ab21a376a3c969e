"""`spacy-rnn.ConcatEmbed.v1`: several embeddings of the same tokens, side by side."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy
from spacy.util import registry
from thinc.api import Model, Shim
from torch import nn

from ..bridge.ragged import Rows, read_tokens, takes_lists
from ..bridge.shim import RNNShim, run_module, shim_of, to_torch
from ..bridge.tokens import Tokens
from ..types import RowsOut, TokensIn
from .checks import check_at_least
from .running import TokensAlone


@registry.architectures("spacy-rnn.ConcatEmbed.v1")
def build_concat_embed_v1(
    *layers: Model[TokensIn, RowsOut], width: Optional[int] = None
) -> Model[TokensIn, RowsOut]:
    """What several embeddings know of a token, side by side: for the slots `tok2vec` of
    `spacy-rnn.TextCatRNN.v2` and `embed` of `spacy.Tok2Vec.v2`.

    layers: Embeddings, as `spacy-rnn.VocabEmbed.v1`, `spacy-rnn.StaticVectors.v1` or any other
        layer from documents to rows of a known width. A config has each in a section of its own:
        `[....embed.*.words]`, `[....embed.*.vectors]`, with names of its choice.
    width: Project the rows to this width, by a linear map that is trained. Below the sum of the
        widths of the layers, a recurrent net over them takes less time. null leaves them as they
        are.
    RETURNS: A model from documents to one array per document, of shape (tokens, width), where
        the widths of the layers add up if none is given.
    RAISES: ValueError for a width below 1.
    """
    if width is not None:
        check_at_least("width", width, 1)
    return side_by_side("concat_embed", layers, width)


def side_by_side(
    name: str, layers: Sequence[Model[TokensIn, RowsOut]], width: Optional[int] = None
) -> Model[TokensIn, RowsOut]:
    """A layer of that name which has the rows of all others. See `build_concat_embed_v1`."""
    attrs: Dict[str, Any] = {"reads_flat": True}
    if all("running" in layer.attrs for layer in layers):
        attrs["running"] = TokensAlone
    shims: List[Shim] = [] if width is None else [RNNShim(nn.Linear, "ConcatEmbed")]
    dims: Dict[str, Optional[int]] = {"nO": width or _width_of(layers)}
    return Model(name, forward, init=init, dims=dims, attrs=attrs, layers=layers, shims=shims)


def _width_of(layers: Sequence[Model]) -> int:
    return sum(layer.get_dim("nO") for layer in layers)


@takes_lists
def forward(model: Model, tokens: Tokens, is_train: bool) -> Tuple[Rows, Callable]:
    """The parts side by side, projected if there is a projection."""
    if not tokens.lengths.any():
        return Rows(model.ops.alloc2f(0, model.get_dim("nO")), tokens.lengths), lambda dY: None
    found = [read_tokens(layer, tokens, is_train) for layer in model.layers]
    xp: Any = model.ops.xp
    ends = numpy.cumsum([Y.data.shape[1] for Y, _ in found]).tolist()
    whole, backprop_projection = _project(
        model, xp.concatenate([Y.data for Y, _ in found], axis=1), is_train
    )

    def backprop(dY: Rows) -> None:
        parts = xp.split(backprop_projection(dY.data), ends[:-1], axis=1)
        for (_, backprop_layer), part in zip(found, parts):
            backprop_layer(Rows(xp.ascontiguousarray(part), tokens.lengths))

    return Rows(whole, tokens.lengths), backprop


def _project(model: Model, rows: Any, is_train: bool) -> Tuple[Any, Callable[[Any], Any]]:
    if not model.shims:
        return rows, lambda d_rows: d_rows
    return run_module(model, (to_torch(model, rows).requires_grad_(is_train),), is_train)


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    """Initialize the parts, and make the projection if there is one, at first a random orthogonal
    map."""
    for layer in model.layers:
        layer.initialize(X=X, Y=Y)
    if model.shims:
        width = model.get_dim("nO")
        shim = shim_of(model)
        shim.build(in_features=_width_of(model.layers), out_features=width)
        nn.init.orthogonal_(shim.module.weight)
        nn.init.zeros_(shim.module.bias)
