"""How rare the n-grams of a corpus are."""

from typing import Any, Iterable, Optional

import numpy
import srsly
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr

from ..errors import Errors

# Rarer than in one text of so many is not told apart: of a large corpus, half of all n-grams are.
RAREST = 1000


class RarityTable:
    """The inverse document frequency of n-grams, hashed: what stands in every text says little
    of any (Sparck Jones 1972). Scaled so that over the n-grams of the corpus the mean square
    is 1. Without a corpus, all are alike.

    values: The weights of hashed n-grams, or None.
    """

    def __init__(self, values: Optional[numpy.ndarray] = None):
        self.values = values

    def weigh(self, keys: numpy.ndarray, values: Any) -> numpy.ndarray:
        """The weight of each n-gram times a value.

        keys: Hashes of n-grams. values: One for all, or one for each.
        RETURNS: Products of shape (n-grams,).
        """
        if self.values is None:
            return numpy.full(len(keys), values, dtype="float32")
        # numpy 1 takes no rows by unsigned numbers.
        rows = (keys % numpy.uint64(len(self.values))).astype("int64")
        return self.values.take(rows) * numpy.float32(values)


def learn_rarity(texts: Iterable[numpy.ndarray], size: int) -> RarityTable:
    """Count in how many texts n-grams are.

    texts: Hashes of the n-grams of each text. size: Of the table.
    """
    count, frequency = 0, numpy.zeros(size, dtype="float32")
    for ngrams in texts:
        count += 1
        frequency[numpy.unique(ngrams % numpy.uint64(size))] += 1.0
    rarity = numpy.log((1.0 + count) / numpy.maximum(frequency, max(1.0, count / RAREST)))
    square = (frequency * rarity**2).sum() / max(frequency.sum(), 1.0)
    # In the precision of files: what is loaded is what was saved.
    return RarityTable((rarity / max(square, 1e-8) ** 0.5).astype("float16").astype("float32"))


@serialize_attr.register(RarityTable)
def _serialize_rarity(_: RarityTable, value: RarityTable, name: str, model: Model) -> bytes:
    values = None if value.values is None else value.values.astype("float16").tobytes()
    return srsly.msgpack_dumps(values)


@deserialize_attr.register(RarityTable)
def _deserialize_rarity(_: RarityTable, value: bytes, name: str, model: Model) -> RarityTable:
    data = srsly.msgpack_loads(value)
    if data is None:
        return RarityTable()
    try:
        values = numpy.frombuffer(data, dtype="float16").astype("float32")
        fits = len(values) > 0 and bool(numpy.isfinite(values).all())
    except (TypeError, ValueError):
        fits = False
    if not fits:
        problem = "the weights of n-grams are not numbers"
        raise ValueError(Errors.R102.format(name=model.name, problem=problem))
    return RarityTable(values)
