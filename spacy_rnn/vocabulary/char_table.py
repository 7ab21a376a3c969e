"""The characters of a corpus, and which row of a table each one has."""

import unicodedata
from collections import Counter
from typing import Any, Dict, Iterable, List, Sequence, Tuple

import numpy
import srsly
from thinc.model import deserialize_attr, serialize_attr

# Unicode's general categories. Each has a row for the characters that have none of their
# own, so that an unseen emoji is a symbol and an unseen Cyrillic capital a capital.
CATEGORIES = (
    *("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No"),
    *("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So"),
    *("Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"),
)


class CharTable:
    """Rows for characters: first one for each category, then one for each character.

    chars: The characters that have rows of their own.
    """

    def __init__(self, chars: Sequence[str] = ()):
        self.chars = list(chars)
        self._rows = _Rows({c: row for row, c in enumerate(self.chars, len(CATEGORIES))})

    def __reduce__(self) -> Any:
        return CharTable, (self.chars,)

    def __len__(self) -> int:
        return len(CATEGORIES) + len(self.chars)

    def encode(self, words: Sequence[str], max_chars: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """The rows of all characters of all words.

        words: The words, any Unicode.
        max_chars: Of a longer word, take the first and the last half of so many.
        RETURNS: Rows, one word after the other, of shape (chars,), and the number of
            characters of each word, of shape (words,).
        """
        cut = [word if len(word) <= max_chars else _ends(word, max_chars) for word in words]
        lengths = numpy.fromiter(map(len, cut), dtype="int64", count=len(cut))
        rows = map(self._rows.__getitem__, "".join(cut))
        return numpy.fromiter(rows, "int64", lengths.sum()), lengths


class _Rows(Dict[str, int]):
    """The row of each character, of one not in the table that of its category."""

    def __missing__(self, char: str) -> int:
        return CATEGORIES.index(unicodedata.category(char))


def _ends(word: str, size: int) -> str:
    head = (size + 1) // 2
    return word[:head] + word[len(word) - (size - head) :]


def most_frequent_chars(words: Iterable[Tuple[str, int]], min_count: int) -> List[str]:
    """Characters by falling frequency, and by code point where that is equal.

    words: Words and how often each occurs.
    min_count: Leave out characters that occur less often.
    """
    counts: Counter = Counter()
    for word, count in words:
        for char in word:
            counts[char] += count
    pairs = sorted((-count, char) for char, count in counts.items() if count >= min_count)
    return [char for _, char in pairs]


serialize_attr.register(CharTable, lambda _, table, *where: srsly.msgpack_dumps(table.chars))
deserialize_attr.register(CharTable, lambda _, data, *where: CharTable(srsly.msgpack_loads(data)))
