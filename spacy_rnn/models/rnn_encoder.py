"""Registered architecture: the recurrent encoder."""

from typing import Optional

from spacy.util import registry
from thinc.api import Model

from ..layers.ragged_rnn import ragged_rnn
from ..types import TokenRows
from .checks import check_at_least, check_choice, check_even, check_rate

CELLS = ("rnn", "lstm", "gru")
NONLINEARITIES = ("tanh", "relu")
PRECISIONS = ("float32", "bfloat16")


@registry.architectures("spacy-rnn.RNNEncoder.v1")
def build_rnn_encoder_v1(
    width: int,
    cell: str = "lstm",
    num_layers: int = 1,
    bidirectional: bool = True,
    bias: bool = True,
    dropout: Optional[float] = None,
    nonlinearity: str = "tanh",
    precision: str = "float32",
    max_grad_norm: float = 0.0,
) -> Model[TokenRows, TokenRows]:
    """Recurrent layers over the tokens of each document, exact for any length: for
    the `encode` slot of `spacy.Tok2Vec.v2` and of `spacy-rnn.TextCatRNN.v1`.

    width: Width of the output. With two directions, each has half of it.
    cell: "rnn", "lstm" or "gru".
    num_layers: Number of layers.
    bidirectional: Read in both directions.
    bias: Use biases.
    dropout: Share of features dropped between layers, the same ones at each token of
        a text. null follows the dropout that `[training]` sets.
    nonlinearity: "tanh" or "relu", for cell "rnn" only.
    precision: "float32", or "bfloat16": 1.2 to 2 times as fast on a CPU or GPU that has
        it, at scores that move in the third decimal. Weights stay float32.
    max_grad_norm: Scale the gradients of the layer so that their joint norm is at
        most this. spaCy sums the loss over a batch: multiply by the batch's size a
        limit meant for the mean. 0 leaves them.
    RETURNS: A model from arrays of shape (tokens, nI) to arrays of (tokens, width).
    RAISES: ValueError for an argument out of its range.
    """
    check_choice("cell", cell, CELLS)
    check_choice("nonlinearity", nonlinearity, NONLINEARITIES)
    check_choice("precision", precision, PRECISIONS)
    check_at_least("width", width, 1)
    check_at_least("num_layers", num_layers, 1)
    check_at_least("max_grad_norm", max_grad_norm, 0)
    check_rate("dropout", dropout)
    if bidirectional:
        check_even("width", width)
    return ragged_rnn(
        width,
        cell=cell,
        nonlinearity=nonlinearity,
        num_layers=num_layers,
        bidirectional=bidirectional,
        bias=bias,
        dropout=dropout,
        precision=precision,
        max_grad_norm=max_grad_norm,
    )
