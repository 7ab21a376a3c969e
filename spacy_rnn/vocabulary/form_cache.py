"""Vectors of word forms, remembered from one batch to the next."""

from itertools import repeat
from typing import Any, Callable, Dict, NamedTuple

import numpy
import torch
from thinc.model import deserialize_attr, serialize_attr

from ..engine.threads import ForkSafeLock


class Table(NamedTuple):
    """What is remembered. Threads read it without waiting for each other, while one adds to it:
    a vector is written before its form is known.

    version: Of the weights that made the vectors.
    rows: Where the vector of each form is.
    vectors: A tensor with room for forms, or None.
    """

    version: Any
    rows: Dict[int, int]
    vectors: Any = None

    def find(self, keys: numpy.ndarray) -> numpy.ndarray:
        """The row of each form, -1 where there is none."""
        return numpy.fromiter(map(self.rows.get, keys.tolist(), repeat(-1)), "int64", len(keys))

    def add(self, keys: numpy.ndarray, vectors: Any) -> "Table":
        """Add forms. RETURNS: The table, or a larger one where there was no room."""
        first, last = len(self.rows), len(self.rows) + len(keys)
        if self.vectors is None or last > len(self.vectors):
            # Half as much again, so that each vector is moved a few times only.
            store = vectors.new_empty(max(last, first + first // 2), vectors.shape[1])
            if first:
                store[:first] = self.vectors[:first]
            return Table(self.version, dict(self.rows), store).add(keys, vectors)
        self.vectors[first:last] = vectors
        self.rows.update(zip(keys.tolist(), range(first, last)))
        return self


class FormCache:
    """Remember the vectors of word forms while the weights that made them stay.

    A copy of a cache, and one that was saved or sent to another process, is empty.

    max_forms: Remember so many. When there are more, all but those of the batch at hand are
        forgotten, so that memory is bounded. 0 for none.
    """

    def __init__(self, max_forms: int):
        self.max_forms = max_forms
        self._lock = ForkSafeLock()
        self._table = Table(None, {})

    def __reduce__(self) -> Any:
        return FormCache, (self.max_forms,)

    def __len__(self) -> int:
        return len(self._table.rows)

    def get(
        self, keys: numpy.ndarray, version: Any, compute: Callable[[numpy.ndarray], Any]
    ) -> Any:
        """The vectors of forms, computed where they are not remembered.

        keys: The forms' hashes, each once, of shape (forms,).
        version: Of the weights: another one than last time empties the cache.
        compute: Makes a tensor of shape (n, width) for n keys. Called once at most.
        RETURNS: A tensor of shape (forms, width).
        """
        table = self._table if self._table.version == version else Table(version, {})
        rows = table.find(keys)
        new = (rows < 0).nonzero()[0]
        if len(new) == len(keys):
            found = compute(keys)
        else:
            device = table.vectors.device
            known = torch.from_numpy(numpy.maximum(rows, 0)).to(device)
            found = table.vectors.index_select(0, known)
            if len(new):
                found[torch.from_numpy(new).to(device)] = compute(keys[new])
        # A thread that finds another one writing leaves it at that.
        if len(new) and self._lock.acquire(blocking=False):
            try:
                self._remember(table, keys, found)
            finally:
                self._lock.release()
        return found

    def _remember(self, table: Table, keys: numpy.ndarray, found: Any) -> None:
        if self._table.version == table.version and self._table is not table:
            # Another thread has begun anew meanwhile.
            return
        # Another thread may have added some meanwhile.
        new = (table.find(keys) < 0).nonzero()[0]
        if len(table.rows) + len(new) > self.max_forms:
            table = Table(table.version, {})
            new = numpy.arange(len(keys) if len(keys) <= self.max_forms else 0)
        index = torch.from_numpy(new).to(found.device)
        # Also where the caller is in inference mode: others, who are not, go on writing.
        with torch.inference_mode(False), torch.no_grad():
            self._table = table.add(keys[new], found.index_select(0, index).clone())


# Saved empty.
serialize_attr.register(FormCache, lambda *what: b"")
deserialize_attr.register(FormCache, lambda cache, *what: FormCache(cache.max_forms))
