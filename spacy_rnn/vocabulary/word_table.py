"""The words of a vocabulary, and which row of a table each one has."""

from typing import Any, Optional, Sequence

import numpy
import srsly
from spacy.strings import get_string_id
from thinc.model import deserialize_attr, serialize_attr

from ..engine.plan import FEW_KEYS
from ..errors import Errors

# Buckets for each key: with so many, most keys have a bucket of their own.
BUCKETS = 2


class KeyIndex:
    """Finds keys. Of many, most are found where they are looked for first.

    keys: Whole numbers without sign, each once, of shape (n,). Hashes, or numbers close to
        each other: their lower bits must differ.
    """

    def __init__(self, keys: Any):
        keys = numpy.asarray(keys, dtype="uint64")
        self._mask = numpy.uint64(2 ** (BUCKETS * len(keys)).bit_length() - 1)
        buckets = self._buckets(keys)
        counts = numpy.bincount(buckets, minlength=int(self._mask) + 1)
        # Where each bucket starts, and behind the last one where that ends.
        self._starts = numpy.concatenate(([0], counts.cumsum())).astype("int32")
        # Looked at first: small, so that a processor keeps it close.
        self._full = counts > 0
        self._order = numpy.argsort(buckets, kind="stable")
        self._keys = keys[self._order]
        # For few keys, a search is over before the buckets are.
        self._rising = numpy.argsort(keys)
        self._sorted = keys[self._rising]

    def _buckets(self, keys: numpy.ndarray) -> numpy.ndarray:
        return (keys & self._mask).astype("int64")

    def find(self, keys: numpy.ndarray) -> numpy.ndarray:
        """RETURNS: The place in the list of each of some keys, -1 for those that it does not
        have, of shape (keys,)."""
        keys = keys.astype("uint64", copy=False)
        if len(keys) <= FEW_KEYS and len(self._sorted):
            places = self._sorted.searchsorted(keys)
            hits = self._sorted.take(places, mode="clip") == keys
            return numpy.where(hits, self._rising.take(places, mode="clip"), -1)
        buckets = self._buckets(keys)
        found = numpy.full(len(keys), -1)
        left = numpy.flatnonzero(self._full[buckets])
        buckets = buckets[left]
        places, ends = self._starts[buckets], self._starts[buckets + 1]
        while len(left):
            hits = self._keys[places] == keys[left]
            found[left[hits]] = self._order[places[hits]]
            # Those that are not found, and whose bucket goes on.
            places = places + 1
            further = (places < ends) & ~hits
            left, places, ends = left[further], places[further], ends[further]
        return found


class WordTable:
    """Rows for words.

    words: The words of rows 1, 2, ...; row 0 is every other word.
    vectors: What the rows start from, of shape (len(words) + 1, width), or None.
    counts: How often each row's words occur in the corpus, of shape (len(words) + 1,), or None
        where no corpus was counted. Neither is saved: they are of use until training begins.
    """

    def __init__(
        self,
        words: Sequence[str] = (),
        vectors: Optional[Any] = None,
        counts: Optional[numpy.ndarray] = None,
    ):
        self.words = list(words)
        self.vectors = vectors
        self.counts = counts
        self._index = KeyIndex([get_string_id(word) for word in self.words])

    def __reduce__(self) -> Any:
        return WordTable, (self.words,)

    def __len__(self) -> int:
        """Rows, with that of unknown words."""
        return len(self.words) + 1

    def find(self, keys: numpy.ndarray) -> numpy.ndarray:
        """The row of each word.

        keys: The words' hashes in spaCy's string store, of shape (tokens,).
        RETURNS: Rows of shape (tokens,), 0 where a word is not in the table.
        """
        return self._index.find(keys) + 1


def dump_pretrained(table: WordTable) -> bytes:
    """The words of pretrained vectors, for a model that may have words of its own."""
    return srsly.msgpack_dumps({"pretrained": table.words})


def _load(table: WordTable, data: bytes, name: str, layer: Any) -> WordTable:
    """Load words. Those of pretrained vectors replace words that a layer has learned itself.

    RAISES: ValueError where the layer was given other words.
    """
    found = srsly.msgpack_loads(data)
    if not isinstance(found, dict):
        return WordTable(found)
    words = found["pretrained"]
    if words == table.words:
        return table
    if table.words and not layer.attrs["learn"]:
        common = len({*words} & {*table.words})
        facts = {"pretrained": len(words), "given": len(table.words), "common": common}
        raise ValueError(Errors.R110.format(**facts))
    return WordTable(words)


serialize_attr.register(WordTable, lambda _, table, *where: srsly.msgpack_dumps(table.words))
deserialize_attr.register(WordTable, _load)
