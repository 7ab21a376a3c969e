"""What each token adds to the logits of a linear model over n-grams, with nothing estimated.

A layer that can tell says so by `attrs["evidence"]`: a function from the layer and `Tokens` to
`Evidence`.
"""

from typing import NamedTuple

import numpy
from thinc.api import Model

from ..bridge.tokens import Tokens
from ..errors import Errors
from .windows import CPU


class Evidence(NamedTuple):
    """Logits, taken apart: those of a text are the sum over its tokens, and the bias.

    tokens: What each token adds, in double precision, of shape (tokens, labels).
    bias: What a text has without a word, of shape (labels,).
    """

    tokens: numpy.ndarray
    bias: numpy.ndarray


class Ngrams(NamedTuple):
    """All n-grams of some texts, each as often as it occurs.

    keys: Their hashes. texts: The number of each one's text. starts: The number of its first
    token among all tokens. sizes: Its words. All of shape (n-grams,).
    """

    keys: numpy.ndarray
    texts: numpy.ndarray
    starts: numpy.ndarray
    sizes: numpy.ndarray

    def select(self, wanted: numpy.ndarray) -> "Ngrams":
        """Some of them. wanted: Whether each is, of shape (n-grams,)."""
        return Ngrams(*(part[wanted] for part in self))


def evidence_of(name: str, layer: Model, tokens: Tokens) -> Evidence:
    """What a layer's logits are made of.

    name: Of the component, for errors.
    RAISES: ValueError if the layer cannot tell.
    """
    if "evidence" not in layer.attrs:
        raise ValueError(Errors.R331.format(name=name, layer=layer.name))
    return layer.attrs["evidence"](layer, tokens)


def ngrams_in(words: numpy.ndarray, lengths: numpy.ndarray, size: int) -> Ngrams:
    """The n-grams of some texts.

    words: Hashes of the texts' words, one text after the other, of shape (tokens,).
    lengths: Tokens of each text, of shape (texts,). size: Words of the longest n-gram.
    """
    texts = numpy.arange(len(lengths)).repeat(lengths)
    parts = [Ngrams(words, texts, numpy.arange(len(words)), numpy.ones(len(words), dtype="int64"))]
    for length in range(2, min(size, lengths.max(initial=0)) + 1):
        keys = CPU.ngrams(length, words)
        # Not those that begin in one text and end in the next one.
        starts = (texts[: len(keys)] == texts[length - 1 :]).nonzero()[0]
        sizes = numpy.full(len(starts), length)
        parts.append(Ngrams(keys[starts], texts[starts], starts, sizes))
    return Ngrams(*map(numpy.concatenate, zip(*parts)))


def share(ngrams: Ngrams, added: numpy.ndarray, tokens: int) -> numpy.ndarray:
    """Share out what n-grams add among their words, in equal parts.

    added: By each n-gram, of shape (n-grams, labels). tokens: Number of all tokens.
    RETURNS: What each token has got, of shape (tokens, labels).
    """
    found = numpy.zeros((tokens, added.shape[1]))
    for size in numpy.unique(ngrams.sizes).tolist():
        of_size = ngrams.sizes == size
        starts, parts = ngrams.starts[of_size], added[of_size] / size
        for place in range(size):
            # No two n-grams of one size begin at the same token.
            found[starts + place] += parts
    return found
