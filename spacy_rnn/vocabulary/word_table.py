"""The words of a vocabulary, and which row of a table each one has."""

from typing import Any, Optional, Sequence

import numpy
import srsly
from spacy.strings import get_string_id
from thinc.model import deserialize_attr, serialize_attr

from .key_index import KeyIndex


class WordTable:
    """Rows for words.

    words: The words of rows 1, 2, ...; row 0 is every other word.
    vectors: What the rows start from, of shape (len(words) + 1, width), or None.
        Not saved: it is of use until the weights are made.
    """

    def __init__(self, words: Sequence[str] = (), vectors: Optional[Any] = None):
        self.words = list(words)
        self.vectors = vectors
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


serialize_attr.register(WordTable, lambda _, table, *where: srsly.msgpack_dumps(table.words))
deserialize_attr.register(WordTable, lambda _, data, *where: WordTable(srsly.msgpack_loads(data)))
