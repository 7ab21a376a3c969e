"""The n-grams that end in each new word of texts that are still arriving."""

from typing import Tuple

import numpy
from thinc.api import NumpyOps

# spaCy keeps tokens on the CPU, also beside a GPU.
CPU = NumpyOps()


def windows_of(words: numpy.ndarray, lengths: numpy.ndarray, last: numpy.ndarray) -> numpy.ndarray:
    """Each new word behind the words before it, 0 where there are none.

    words: Hashes of the new words, one text's after the other's, of shape (tokens,).
    lengths: New tokens of each text, of shape (texts,).
    last: The last words of each text before, of shape (texts, size of an n-gram - 1).
    RETURNS: Hashes of shape (tokens, size of an n-gram).
    """
    if len(lengths) == len(words):
        return numpy.concatenate((last, words[:, None]), axis=1)
    context = last.shape[1]
    parts = lengths + context
    place = numpy.arange(parts.sum()) - (parts.cumsum() - parts).repeat(parts)
    new = place >= context
    joined = numpy.empty(len(place), dtype="uint64")
    joined[new], joined[~new] = words, last.ravel()
    return joined[new.nonzero()[0][:, None] - numpy.arange(context, -1, -1)]


def ngrams_that_end(windows: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Hashes of the n-grams that end in each word, one word's after the other's, and how many
    each word has. windows: From `windows_of`."""
    words, size = windows.shape
    keys = numpy.empty((words, size), dtype="uint64")
    keys[:, 0] = windows[:, -1]
    for length in range(2, size + 1):
        part = windows[:, size - length :]
        keys[:, length - 1] = CPU.ngrams(length, part.ravel())[::length]
    # Those of one word, two and so on; not from before the text's first word.
    whole = windows[:, ::-1] != 0
    return keys[whole], numpy.add.reduce(whole, axis=1)
