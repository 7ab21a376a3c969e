"""The n-grams of texts, as hashes, and which of them a table has."""

from itertools import pairwise
from typing import Any, Iterator, NamedTuple, Tuple

import numpy
import srsly
from thinc.api import Model, NumpyOps
from thinc.model import deserialize_attr, serialize_attr

from ..errors import Errors
from .word_table import KeyIndex

CPU = NumpyOps()
# A text's number and an n-gram's hash are packed into one number, which sorts fast.
KEY_BITS = numpy.uint64(32)
KEY_MASK = numpy.uint64(2**32 - 1)
# Turns the hash of an n-gram into that of the same one near the end of a text.
NEAR_END = numpy.uint64(0x9E3779B9)
# Tokens whose n-grams are counted at once.
AT_ONCE = 2**20


class Bags(NamedTuple):
    """Which n-grams each text has.

    columns: Numbers of the n-grams, one text's after the other's, of shape (n,): each once, but as
        often as it is there if it is one near the end of a text.
    lengths: Number of n-grams of each text, of shape (texts,).
    """

    columns: numpy.ndarray
    lengths: numpy.ndarray

    def select(self, texts: numpy.ndarray) -> "Bags":
        """The bags of some texts. texts: Whether each is wanted, of shape (texts,)."""
        return Bags(self.columns[texts.repeat(self.lengths)], self.lengths[texts])

    def keep(self, kept: numpy.ndarray) -> "Bags":
        """The bags without some n-grams, the others numbered anew.

        kept: Whether each n-gram is kept, of shape (n-grams,).
        """
        numbers = (kept.cumsum() - 1).astype(self.columns.dtype)
        wanted = kept[self.columns]
        counts = numpy.concatenate(([0], wanted.cumsum()))
        ends = self.lengths.cumsum()
        return Bags(numbers[self.columns[wanted]], counts[ends] - counts[ends - self.lengths])

    def text_counts(self, size: int) -> numpy.ndarray:
        """How many texts have each n-gram, of shape (size,). size: Number of n-grams."""
        texts = numpy.arange(len(self.lengths), dtype="uint64").repeat(self.lengths)
        pairs = _sorted_once((texts << KEY_BITS) | self.columns.astype("uint64"))
        return numpy.bincount((pairs & KEY_MASK).astype("int64"), minlength=size)


def ngram_keys(
    words: numpy.ndarray, lengths: numpy.ndarray, size: int
) -> Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Hashes of all n-grams of some texts.

    words: Hashes of the texts' words, one text after the other, of shape (tokens,).
    lengths: Tokens of each text, of shape (texts,). size: Words of the longest n-gram.
    RETURNS: Hashes of 32 bits and the number of each one's text, both as uint64; and how many words
        of the text are left from its last word on. All of shape (n-grams,).
    """
    texts = numpy.arange(len(lengths), dtype="uint64").repeat(lengths)
    left = lengths.cumsum().repeat(lengths) - numpy.arange(len(words))
    parts = [(words & KEY_MASK, texts, left)]
    for length in range(2, min(size, lengths.max(initial=0)) + 1):
        found = CPU.ngrams(length, words)
        first, last = texts[: len(found)], texts[length - 1 :]
        # Not those that begin in one text and end in the next one.
        inside = first == last
        parts.append((found[inside] & KEY_MASK, first[inside], left[length - 1 :][inside]))
    keys, owners, left = map(numpy.concatenate, zip(*parts))
    return keys, owners, left


def _keys_of_one(words: numpy.ndarray, size: int, tail: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """The hashes of one text's n-grams, and of those near its end."""
    longest = min(size, len(words))
    parts = [words, *(CPU.ngrams(length, words) for length in range(2, longest + 1))]
    keys = numpy.concatenate(parts) & KEY_MASK
    if not tail:
        return keys, keys[:0]
    last = numpy.concatenate([part[-tail:] for part in parts]) & KEY_MASK
    return keys, last ^ NEAR_END


class NgramTable:
    """Rows for n-grams.

    keys: Their hashes, of 32 bits, each once, of shape (n-grams,).
    """

    def __init__(self, keys: Any = ()):
        self.keys = numpy.asarray(keys, dtype="uint32")
        self._index = KeyIndex(self.keys)

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, keys: numpy.ndarray) -> numpy.ndarray:
        """The row of each n-gram, -1 for those that the table does not have."""
        return self._index.find(keys)

    def bags(self, words: numpy.ndarray, lengths: numpy.ndarray, size: int, tail: int = 0) -> Bags:
        """The rows of the n-grams that texts have. Those that end among the last `tail` words of a
        text are there a second time, as n-grams near the end. See `ngram_keys`."""
        if not len(self.keys):
            return Bags(numpy.zeros(0, dtype="int64"), numpy.zeros(len(lengths), dtype="int64"))
        if len(lengths) == 1:
            return self._bag_of_one(words, size, tail)
        keys, texts, left = ngram_keys(words, lengths, size)
        pairs = _sorted_once(self._pairs(keys, texts))
        if tail:
            near = left <= tail
            pairs = numpy.concatenate((pairs, self._pairs(keys[near] ^ NEAR_END, texts[near])))
            pairs.sort()
        owners = (pairs >> KEY_BITS).astype("int64")
        of_each = numpy.bincount(owners, minlength=len(lengths))
        return Bags((pairs & KEY_MASK).astype("int64"), of_each)

    def _bag_of_one(self, words: numpy.ndarray, size: int, tail: int) -> Bags:
        keys, last = map(self.find, _keys_of_one(words, size, tail))
        rows = _sorted_once(keys[keys >= 0])
        if tail:
            rows = numpy.concatenate((rows, last[last >= 0]))
        return Bags(rows, numpy.asarray([len(rows)]))

    def _pairs(self, keys: numpy.ndarray, texts: numpy.ndarray) -> numpy.ndarray:
        """The number of each one's text and its row, in one number, for n-grams that are known."""
        rows = self.find(keys)
        known = rows >= 0
        return (texts[known] << KEY_BITS) | rows[known].astype("uint64")


def count_ngrams(
    words: numpy.ndarray,
    lengths: numpy.ndarray,
    size: int,
    min_count: int,
    max_size: int,
    tail: int = 0,
) -> Tuple[numpy.ndarray, Bags]:
    """The n-grams that are in most texts of a corpus.

    For `words`, `lengths`, `size` and `tail` see `NgramTable.bags`.
    min_count: Leave out n-grams that are in fewer texts. max_size: Keep so many.
    RETURNS: The hashes of the n-grams, rising, of shape (n-grams,), and those of each text.
    """
    parts = list(_parts(lengths))
    hashes = numpy.concatenate([_keys_once(words[w], lengths[t], size, tail) for t, w in parts])
    hashes.sort()
    starts = numpy.flatnonzero(_is_first(hashes))
    found, counts = hashes[starts], numpy.diff(starts, append=len(hashes))
    kept = counts >= min_count
    if kept.sum() > max_size:
        # Of those that are in as many texts as the last one kept, the first by hash.
        kept = numpy.zeros(len(found), dtype="bool")
        kept[numpy.argsort(-counts, kind="stable")[:max_size]] = True
    table = NgramTable(found[kept])
    bags = [table.bags(words[w], lengths[t], size, tail) for t, w in parts]
    columns = numpy.concatenate([bag.columns.astype("int32") for bag in bags])
    return table.keys, Bags(columns, numpy.concatenate([bag.lengths for bag in bags]))


def _parts(lengths: numpy.ndarray) -> Iterator[Tuple[slice, slice]]:
    """Texts that are counted together, and their tokens: few at once, to save memory."""
    ends = numpy.concatenate(([0], lengths.cumsum()))
    cuts = numpy.flatnonzero(numpy.diff(ends // AT_ONCE))
    for start, end in pairwise([0, *cuts.tolist(), len(lengths)]):
        yield slice(start, end), slice(ends[start], ends[end])


def _keys_once(words: numpy.ndarray, lengths: numpy.ndarray, size: int, tail: int) -> numpy.ndarray:
    """The hashes of the n-grams of texts, each once for each text."""
    keys, texts, left = ngram_keys(words, lengths, size)
    near = left <= tail
    keys = numpy.concatenate((keys, keys[near] ^ NEAR_END))
    texts = numpy.concatenate((texts, texts[near]))
    return (_sorted_once((texts << KEY_BITS) | keys) & KEY_MASK).astype("uint32")


def _sorted_once(pairs: numpy.ndarray) -> numpy.ndarray:
    pairs.sort()
    return pairs[_is_first(pairs)]


def _is_first(values: numpy.ndarray) -> numpy.ndarray:
    """Whether each of some sorted values differs from the one before."""
    first = numpy.empty(len(values), dtype="bool")
    first[:1] = True
    numpy.not_equal(values[1:], values[:-1], out=first[1:])
    return first


@serialize_attr.register(NgramTable)
def _serialize_table(_: NgramTable, value: NgramTable, name: str, model: Model) -> bytes:
    return srsly.msgpack_dumps(value.keys.tobytes())


@deserialize_attr.register(NgramTable)
def _deserialize_table(_: NgramTable, value: bytes, name: str, model: Model) -> NgramTable:
    try:
        keys = numpy.frombuffer(srsly.msgpack_loads(value), dtype="uint32")
    except (TypeError, ValueError):
        keys = None
    if keys is None or len(numpy.unique(keys)) != len(keys):
        problem = "the hashes of its n-grams are not whole numbers, each once"
        raise ValueError(Errors.R102.format(name=model.name, problem=problem))
    return NgramTable(keys)
