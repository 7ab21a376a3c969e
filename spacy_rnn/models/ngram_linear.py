"""Registered architecture: a linear model over n-grams."""

from typing import Optional

from spacy.util import registry
from thinc.api import Model
from thinc.types import Floats2d

from ..errors import Errors
from ..layers.ngram_linear import ngram_linear
from ..layers.vocab_embed import ATTRS
from ..types import Docs
from .checks import check_at_least, check_rate


@registry.architectures("spacy-rnn.NgramLinear.v1")
def build_ngram_linear_v1(
    ngram_size: int = 2,
    length: int = 262144,
    attr: str = "NORM",
    dropout: Optional[float] = None,
    nO: Optional[int] = None,
) -> Model[Docs, Floats2d]:
    """Logits from single words and phrases: the `linear_model` of
    `spacy-rnn.TextCatRNN.v1`. As `spacy.TextCatBOW.v3` without its output layer, with
    dropout of n-grams, weights that learn at the pace of a net beside it, and documents
    without tokens.

    ngram_size: Words in the longest n-gram. Shorter ones are counted too.
    length: Number of hashed weights of each label.
    attr: What of a token counts as its word: "NORM", "LOWER" or "ORTH".
    dropout: Share of n-grams dropped in training. null follows the dropout that
        `[training]` sets.
    nO: Number of labels; inferred from the data if null.
    RETURNS: A model from documents to logits, of shape (docs, labels).
    RAISES: ValueError for an argument out of its range.
    """
    if attr not in ATTRS:
        raise ValueError(Errors.R104.format(attr=attr, allowed=ATTRS))
    check_at_least("ngram_size", ngram_size, 1)
    check_at_least("length", length, 1)
    check_rate("dropout", dropout)
    return ngram_linear(ngram_size=ngram_size, length=length, attr=attr, dropout=dropout, nO=nO)
