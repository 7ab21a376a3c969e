"""Registered architecture: embeddings of words from their characters."""

from typing import Optional

from spacy.util import registry
from thinc.api import Model

from ..layers.char_rnn_embed import char_rnn_embed
from ..types import Docs, TokenRows
from .checks import check_at_least, check_choice, check_even, check_rate
from .rnn_encoder import CELLS, PRECISIONS


@registry.architectures("spacy-rnn.CharRNNEmbed.v1")
def build_char_rnn_embed_v1(
    width: int,
    char_width: int = 32,
    cell: str = "lstm",
    num_layers: int = 1,
    bidirectional: bool = True,
    precision: str = "float32",
    min_count: int = 5,
    max_chars: int = 48,
    char_dropout: float = 0.2,
    dropout: Optional[float] = None,
    max_grad_norm: float = 0.0,
    cache_size: int = 20000,
) -> Model[Docs, TokenRows]:
    """A recurrent net over the characters of each word, case kept: what is known of a
    word that training has never seen. Each form is computed once in a batch, and in
    prediction remembered from one batch to the next.

    width: Width of a word's vector. With two directions, each has half of it.
    char_width: Width of a character's vector.
    cell: "rnn", "lstm" or "gru".
    num_layers: Number of layers.
    bidirectional: Read in both directions.
    precision, max_grad_norm: As in `spacy-rnn.RNNEncoder.v1`.
    min_count: Characters that occur less often in the training texts share a vector
        with all others of their Unicode category, and so do those never seen.
    max_chars: Of a longer word, read the first and the last half of so many characters.
    char_dropout: Share of the features of characters dropped, each on its own.
    dropout: Share of a word's features dropped in training, the same ones at each token
        of a text. null follows the dropout that `[training]` sets.
    cache_size: Remember the vectors of so many forms, of width * 4 bytes each. 0 for
        none. Training and loading empty the memory.
    RETURNS: A model from documents to one array per document, of shape (tokens, width).
    RAISES: ValueError for an argument out of its range.
    """
    check_choice("cell", cell, CELLS)
    check_choice("precision", precision, PRECISIONS)
    for name, value in (("width", width), ("char_width", char_width), ("num_layers", num_layers)):
        check_at_least(name, value, 1)
    check_at_least("min_count", min_count, 1)
    check_at_least("max_chars", max_chars, 1)
    check_at_least("cache_size", cache_size, 0)
    check_at_least("max_grad_norm", max_grad_norm, 0)
    check_rate("char_dropout", char_dropout)
    check_rate("dropout", dropout)
    if bidirectional:
        check_even("width", width)
    return char_rnn_embed(
        width,
        char_width=char_width,
        cell=cell,
        num_layers=num_layers,
        bidirectional=bidirectional,
        precision=precision,
        min_count=min_count,
        max_chars=max_chars,
        char_dropout=char_dropout,
        dropout=dropout,
        max_grad_norm=max_grad_norm,
        cache_size=cache_size,
    )
