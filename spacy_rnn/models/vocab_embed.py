"""Registered architecture: embeddings of the corpus' most frequent words."""

from typing import Optional

from spacy.util import registry
from thinc.api import Model

from ..errors import Errors
from ..layers.vocab_embed import ATTRS, STARTS, vocab_embed
from ..types import Docs, TokenRows
from .checks import check_at_least, check_choice, check_rate


@registry.architectures("spacy-rnn.VocabEmbed.v1")
def build_vocab_embed_v1(
    width: int,
    attr: str = "NORM",
    max_size: int = 30000,
    min_count: int = 2,
    start: str = "cooccurrence",
    dropout: Optional[float] = None,
    word_dropout: float = 0.0,
    sparse: bool = True,
) -> Model[Docs, TokenRows]:
    """One trained vector for each of the most frequent words of the training texts,
    and one for all other words. The vocabulary is learned in `nlp.initialize` and
    saved with the model.

    width: Width of a vector.
    attr: What of a token counts as its word: "NORM", "LOWER" or "ORTH".
    max_size: Number of words to keep, 0 for all.
    min_count: Leave out words that occur less often.
    start: What the vectors start from: "random", or "cooccurrence" for a factorization
        of which words stand near which in the training texts.
    dropout: Share of a vector's features dropped in training, the same ones at each
        token of a text. null follows the dropout that `[training]` sets.
    word_dropout: Share of tokens that training reads as the unknown word.
    sparse: A step of training changes the vectors of the words in its batch only, as
        `torch.nn.Embedding` with `torch.optim.SparseAdam`: it costs as much as the batch,
        not as the vocabulary. Otherwise momentum and decay move all vectors at each step.
    RETURNS: A model from documents to one array per document, of shape (tokens, width).
    RAISES: ValueError for an argument out of its range.
    """
    if attr not in ATTRS:
        raise ValueError(Errors.R104.format(attr=attr, allowed=ATTRS))
    check_choice("start", start, STARTS)
    check_at_least("width", width, 1)
    check_at_least("max_size", max_size, 0)
    check_at_least("min_count", min_count, 1)
    check_rate("dropout", dropout)
    check_rate("word_dropout", word_dropout)
    return vocab_embed(
        width,
        attr=attr,
        max_size=max_size,
        min_count=min_count,
        start=start,
        dropout=dropout,
        word_dropout=word_dropout,
        sparse=sparse,
    )
