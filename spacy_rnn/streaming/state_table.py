"""The states of many texts, one row each."""

from typing import List, Sequence

import numpy

from ..engine.threads import ForkSafeLock


class StateTable:
    """Arrays with a row for each open text, so that those of many are read and written at
    once. Grows with the number of texts that are open at the same time. Threads may share it.

    initial: The state of a text that has just begun, as rows of numbers.
    """

    def __init__(self, initial: Sequence[numpy.ndarray]):
        self.initial = list(initial)
        self._arrays = [numpy.empty((0, *part.shape), dtype=part.dtype) for part in initial]
        self._free: List[int] = []
        self._lock = ForkSafeLock()

    def __len__(self) -> int:
        """Texts that there is room for."""
        return len(self._arrays[0])

    def open(self) -> int:
        """RETURNS: The row of one more text."""
        with self._lock:
            if not self._free:
                self._grow()
            row = self._free.pop()
            for array, part in zip(self._arrays, self.initial):
                array[row] = part
            return row

    def _grow(self) -> None:
        size = len(self)
        more = max(1, size)
        for i, array in enumerate(self._arrays):
            self._arrays[i] = numpy.concatenate(
                (array, numpy.empty_like(array, shape=(more, *array.shape[1:])))
            )
        self._free += range(size + more - 1, size - 1, -1)

    def close(self, row: int) -> None:
        """Give a row to the next text. Takes no lock, since it may be called when memory is
        freed, at any time."""
        self._free.append(row)

    def get(self, rows: numpy.ndarray) -> List[numpy.ndarray]:
        """Copies of some states, each part of shape (rows, size of the part)."""
        return [array[rows] for array in self._arrays]

    def set(self, rows: numpy.ndarray, states: Sequence[numpy.ndarray]) -> None:
        """Write some states."""
        with self._lock:
            for array, part in zip(self._arrays, states):
                array[rows] = part
