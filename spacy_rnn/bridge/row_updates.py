"""Optimizer steps on some rows of a table, which leave the other rows alone."""

import math
from typing import Any, Dict, List, Tuple, cast

import numpy
from thinc.optimizers import Optimizer
from thinc.types import FloatsXd


class RowUpdates:
    """Steps of thinc's optimizer on those rows of a table that have a gradient.

    A row without one keeps its weights and its moments, as in `torch.optim.SparseAdam`:
    a step costs as much as the rows it changes, not as the vocabulary. Averages are exact:
    what a row's average has missed while the row stood still is made up for when the row
    changes next, or when averages are read.
    """

    def __init__(self) -> None:
        self._optimizer: Any = None
        self._key: Any = None
        # The logarithm of all decays of averages so far, multiplied; and for each row what
        # it was at the step that the row's average has come to.
        self._decay = 0.0
        self._seen: Any = None

    def step(self, optimizer: Optimizer, key: Tuple, weights: Any, rows: Any, grads: Any) -> None:
        """Change some rows.

        key: As for `Optimizer.__call__`. weights: The table, of shape (rows, width),
        changed in place. rows: Different rows that have a gradient, of shape (n,).
        grads: Their gradients, of shape (n, width); used up.
        """
        if optimizer is not self._optimizer or key != self._key:
            self._begin(optimizer, key, len(weights))
        self.catch_up(weights, rows)
        tables = self._tables(optimizer, key, weights)
        part = (*key, "rows")
        optimizer.nr_update[part] = optimizer.nr_update[key]
        for table in tables:
            # The optimizer's moments are flat.
            values = table[key].reshape(weights.shape)[rows]
            table[part] = values if table is optimizer.averages else values.reshape(-1)
        updated, _ = optimizer(part, cast(FloatsXd, weights[rows]), grads)
        weights[rows] = updated
        for table in tables:
            table[key].reshape(weights.shape)[rows] = table.pop(part).reshape(len(rows), -1)
        optimizer.nr_update[key] += 1
        self._decay += _log_decay(optimizer.nr_update[key])
        self._seen[_to_numpy(rows)] = self._decay
        del optimizer.nr_update[part]

    def _begin(self, optimizer: Optimizer, key: Tuple, rows: int) -> None:
        self._optimizer, self._key = optimizer, key
        self._decay = sum(_log_decay(step + 1) for step in range(optimizer.nr_update[key]))
        self._seen = numpy.full(rows, self._decay, dtype="float64")

    @property
    def progress(self) -> Dict[str, numpy.ndarray]:
        """What the next steps depend on beside the optimizer, as arrays by name."""
        return {"decay": numpy.asarray([self._decay]), "seen": self._seen}

    @classmethod
    def from_progress(
        cls, optimizer: Optimizer, key: Tuple, progress: Dict[str, numpy.ndarray]
    ) -> "RowUpdates":
        """What goes on as another one, perhaps of another process, would have.

        optimizer, key: As for `step`: of this process. progress: Of the other one.
        """
        updates = cls()
        updates._optimizer, updates._key = optimizer, key
        updates._decay, updates._seen = float(progress["decay"][0]), progress["seen"].copy()
        return updates

    def _tables(self, optimizer: Optimizer, key: Tuple, weights: Any) -> List[Any]:
        """The optimizer's moments and averages, as far as it keeps any."""
        xp = _module_of(weights)
        tables: List[Any] = (
            [optimizer.mom1, optimizer.mom2] if optimizer.b1 and optimizer.b2 else []
        )
        if optimizer.averages is not None:
            tables.append(optimizer.averages)
        for table in tables:
            if key not in table:
                table[key] = xp.zeros(weights.size, dtype="float32")
        return tables

    def catch_up(self, weights: Any, rows: Any = None) -> None:
        """Bring the averages of rows up to the last step. rows: All if not given."""
        averages = None if self._optimizer is None else self._optimizer.averages
        if averages is None or self._key not in averages:
            return
        rows = numpy.arange(len(weights)) if rows is None else rows
        missed = numpy.exp(self._decay - self._seen[_to_numpy(rows)])
        average = averages[self._key].reshape(weights.shape)
        factor = _module_of(weights).asarray(missed[:, None], dtype="float32")
        average[rows] = weights[rows] + factor * (average[rows] - weights[rows])
        self._seen[_to_numpy(rows)] = self._decay


def _log_decay(step: int) -> float:
    """Of the average at a step, as in `thinc.backends.ops.Ops.update_averages`."""
    return math.log(min((1.0 + step) / (10.0 + step), 0.9999))


def _module_of(array: Any) -> Any:
    """numpy or cupy."""
    if isinstance(array, numpy.ndarray):
        return numpy
    import cupy

    return cupy


def _to_numpy(array: Any) -> numpy.ndarray:
    return array if isinstance(array, numpy.ndarray) else array.get()
