"""Brown clusters of words (Brown et al. 1992), in a few bytes a word."""

from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy
import srsly
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr

from ..errors import Errors

# A word without a cluster, in spaCy's tables too.
NO_CLUSTER = 0


class ClusterTable:
    """The cluster of each word.

    keys: Hashes of words that have one, each once and rising, of shape (words,).
    clusters: Which of `paths` is the word's, of shape (words,).
    paths: Clusters as spaCy has them: a path from the root of a tree of words, the first turn in
        the lowest bit. Clusters that begin alike are alike.
    """

    def __init__(self, keys: Any = (), clusters: Any = (), paths: Sequence[int] = ()):
        self.keys = numpy.asarray(keys, dtype="uint64")
        self.clusters = numpy.asarray(clusters, dtype="uint32")
        self.paths = list(paths)
        self._rows: Dict[Tuple[int, ...], numpy.ndarray] = {}

    @classmethod
    def of(cls, table: Mapping[int, int]) -> "ClusterTable":
        """Of spaCy's lookup table from hashes of words to clusters."""
        found = sorted((key, path) for key, path in table.items() if path != NO_CLUSTER)
        paths = numpy.array([path for _, path in found], dtype="int64")
        each, clusters = numpy.unique(paths, return_inverse=True)
        return cls([key for key, _ in found], clusters, each.tolist())

    def __len__(self) -> int:
        """Words that have a cluster."""
        return len(self.keys)

    def find(self, keys: numpy.ndarray) -> numpy.ndarray:
        """RETURNS: For each word 1 + its place in `paths`, or 0 where it has no cluster, of shape
        (words,)."""
        if not len(self.keys):
            return numpy.zeros(len(keys), dtype="int64")
        at = numpy.minimum(self.keys.searchsorted(keys), len(self.keys) - 1)
        return numpy.where(self.keys[at] == keys, self.clusters[at].astype("int64") + 1, 0)

    def rows(self, prefixes: Tuple[int, ...]) -> numpy.ndarray:
        """Number the beginnings of paths, for a table with a row for each.

        prefixes: How many turns each beginning has, 0 for whole paths.
        RETURNS: Numbers of shape (1 + paths, prefixes), first those of no cluster. Paths that
            begin alike share one; no number stands in two columns.
        """
        if prefixes not in self._rows:
            columns, first = [], 0
            for length in prefixes:
                columns.append(self._begin_alike(length) + first)
                first = int(columns[-1].max()) + 1
            self._rows[prefixes] = numpy.stack(columns, axis=1)
        return self._rows[prefixes]

    def _begin_alike(self, length: int) -> numpy.ndarray:
        paths = numpy.array(self.paths, dtype="int64")
        if length:
            paths &= (1 << length) - 1
        _, numbers = numpy.unique(paths, return_inverse=True)
        return numpy.append(0, numbers + 1)


@serialize_attr.register(ClusterTable)
def _serialize_clusters(_: ClusterTable, value: ClusterTable, name: str, model: Model) -> bytes:
    parts: List[Any] = [value.keys.tobytes(), value.clusters.tobytes(), value.paths]
    return srsly.msgpack_dumps(parts)


@deserialize_attr.register(ClusterTable)
def _deserialize_clusters(_: ClusterTable, value: bytes, name: str, model: Model) -> ClusterTable:
    try:
        keys, clusters, paths = srsly.msgpack_loads(value)
        table = ClusterTable(
            numpy.frombuffer(keys, dtype="uint64"),
            numpy.frombuffer(clusters, dtype="uint32"),
            numpy.array(paths, dtype="int64").tolist(),
        )
        fits = len(table.keys) == len(table.clusters)
        fits &= not len(table) or int(table.clusters.max()) < len(table.paths)
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        problem = "the clusters of words are not as many as the words"
        raise ValueError(Errors.R102.format(name=model.name, problem=problem))
    return table
