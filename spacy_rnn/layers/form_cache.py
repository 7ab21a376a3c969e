"""Vectors of word forms, remembered from one batch to the next."""

import threading
from typing import Any, Callable, Tuple

import numpy
from thinc.api import Model
from thinc.compat import torch
from thinc.model import deserialize_attr, serialize_attr


class FormCache:
    """Remember the vectors of word forms while the weights that made them stay.

    A copy of a cache, and one that was saved or sent to another process, is empty.

    max_forms: Remember so many. When there are more, all are forgotten, so that memory
        is bounded and the forms of the texts at hand come back first. 0 for none.
    """

    def __init__(self, max_forms: int):
        self.max_forms = max_forms
        self._lock = threading.Lock()
        self._version: Any = None
        self._forget()

    def __reduce__(self) -> Any:
        return FormCache, (self.max_forms,)

    def __len__(self) -> int:
        return len(self._keys)

    def _forget(self) -> None:
        self._keys = numpy.empty(0, dtype="uint64")
        self._rows = numpy.empty(0, dtype="int64")
        self._vectors: Any = None

    def get(
        self, keys: numpy.ndarray, version: Any, compute: Callable[[numpy.ndarray], Any]
    ) -> Any:
        """The vectors of forms, computed where they are not remembered.

        keys: The forms' hashes, each once, of shape (forms,).
        version: Of the weights: another one than last time empties the cache.
        compute: Makes a tensor of shape (n, width) for n keys. Called once at most.
        RETURNS: A tensor of shape (forms, width).
        """
        with self._lock:
            known, _ = self._find(keys)
            if version != self._version or len(self) + (~known).sum() > self.max_forms:
                self._forget()
                self._version = version
                known[:] = False
            if not known.all() or self._vectors is None:
                self._add(keys[~known], compute(keys[~known]))
            _, rows = self._find(keys)
            found = self._vectors[torch.from_numpy(rows).to(self._vectors.device)]
            if len(self) > self.max_forms:
                self._forget()
            return found

    def _find(self, keys: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Which keys are remembered, and the rows of these."""
        if not len(self):
            return numpy.zeros(len(keys), dtype="bool"), self._rows
        places = numpy.searchsorted(self._keys, keys)
        places[places == len(self)] = 0
        known = self._keys[places] == keys
        return known, self._rows[places[known]]

    def _add(self, keys: numpy.ndarray, vectors: Any) -> None:
        first, last = len(self), len(self) + len(keys)
        if self._vectors is None or last > len(self._vectors):
            # Twice what is there, so that each vector is moved a few times only.
            grown = vectors.new_empty(max(last, 2 * first), vectors.shape[1])
            if first:
                grown[:first] = self._vectors[:first]
            self._vectors = grown
        self._vectors[first:last] = vectors
        order = numpy.argsort(keys)
        places = numpy.searchsorted(self._keys, keys[order])
        self._keys = numpy.insert(self._keys, places, keys[order])
        self._rows = numpy.insert(self._rows, places, first + order)


@serialize_attr.register(FormCache)
def _serialize_cache(_: FormCache, value: FormCache, name: str, model: Model) -> bytes:
    return b""


@deserialize_attr.register(FormCache)
def _deserialize_cache(value: FormCache, _: bytes, name: str, model: Model) -> FormCache:
    return FormCache(value.max_forms)
