"""Looking words up in the pipeline's pretrained vectors."""

from itertools import repeat
from typing import Any, Sequence, Tuple

import numpy
from spacy.attrs import intify_attr
from spacy.strings import get_string_id
from spacy.util import logger
from spacy.vectors import Mode
from thinc.backends import get_array_ops

from ..errors import Errors
from .learning import CorpusKeys


def look_up(vectors: Any, keys: Sequence[int], lower: Sequence[int]) -> Tuple[Any, numpy.ndarray]:
    """The vectors of words, or where the table does not have a word, those of its lower case.

    vectors: spaCy's `Vectors`, or another table that has `get_batch`.
    keys: Hashes of the words, of which the table's string store has the words.
    lower: Hashes of their lower case.
    RETURNS: An array of shape (words, width), where the table's data are, with zeros for unknown
        words; and which words are known, of shape (words,).
    """
    if getattr(vectors, "mode", None) != Mode.default:
        # Made of pieces of a word: there is one for any word.
        return vectors.get_batch(keys), numpy.ones(len(keys), dtype=bool)
    rows = _rows_of(vectors, keys)
    missing = numpy.flatnonzero(rows < 0)
    rows[missing] = _rows_of(vectors, [lower[i] for i in missing.tolist()])
    xp: Any = get_array_ops(vectors.data).xp
    found = vectors.data[xp.asarray(numpy.maximum(rows, 0))]
    found[xp.asarray(rows < 0)] = 0.0
    return found, rows >= 0


def look_up_words(vectors: Any, words: Sequence[str]) -> Tuple[Any, numpy.ndarray]:
    """As `look_up`, of words as they are written."""
    for word in words:
        vectors.strings.add(word)
    lower = [get_string_id(word.lower()) for word in words]
    return look_up(vectors, [get_string_id(word) for word in words], lower)


def require_finite(vectors: Any) -> None:
    """RAISES: ValueError if some value of spaCy's `Vectors` is not a finite number."""
    xp: Any = get_array_ops(vectors.data).xp
    bad = int((~xp.isfinite(vectors.data).all(axis=1)).sum())
    if bad:
        raise ValueError(Errors.R111.format(count=bad, total=len(vectors.data)))


def _rows_of(vectors: Any, keys: Sequence[int]) -> numpy.ndarray:
    """The row of each word in spaCy's table, -1 where it has none: `Vectors.find`, several times
    as fast."""
    return numpy.fromiter(map(vectors.key2row.get, keys, repeat(-1)), "int64", len(keys))


def log_coverage(
    layer: str, what: str, words: Sequence[str], known: numpy.ndarray, corpus: CorpusKeys, attr: str
) -> None:
    """Say by spaCy's logger how many words a table knows, and what share of the training texts
    they make.

    layer: Its name. what: What a known word has, as "a vector".
    words: Of its vocabulary. known: Which of them the table knows, of shape (words,).
    attr: The attribute of tokens that counts as the word.
    """
    counts = dict(corpus.counts(intify_attr(attr)))
    tokens = sum(counts.get(words[i], 0) for i in numpy.flatnonzero(known).tolist())
    share = 100.0 * tokens / max(sum(counts.values()), 1)
    message = "%s: %d of %d words have %s; they make %.1f %% of all tokens in training"
    logger.info(message, layer, known.sum(), len(words), what, share)
