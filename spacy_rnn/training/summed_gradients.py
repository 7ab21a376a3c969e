"""Gradients of several processes, summed.

One process may have a gradient where another has none, as after an empty share of a batch, and
tables with sparse gradients have one for other rows. So processes first tell each other what they
have, then which rows; and then all gradients are summed as one array.
"""

from typing import Any, Dict, Iterable, Iterator, List, Optional, Protocol, Set, cast

import torch
from thinc.api import Model, xp2torch
from thinc.optimizers import KeyT
from torch import Tensor

from ..bridge.shim import module_of
from .ranks import Ranks

# What a process has of a gradient, if it is no number of rows.
NOTHING, DENSE = -2, -1


class Weight(Protocol):
    """A weight with its gradient: of thinc, or of torch."""

    key: KeyT

    @property
    def value(self) -> Tensor:
        """The weight, as a tensor."""

    @property
    def gradient(self) -> Optional[Tensor]:
        """Its gradient, None where there is none."""

    def set_gradient(self, gradient: Tensor) -> None:
        """Take another gradient."""


class ThincWeight:
    """A weight of a layer of thinc. layer: The layer. name: Its name for the weight."""

    def __init__(self, layer: Model, name: str):
        self.layer, self.name = layer, name
        self.key: KeyT = (layer.id, name)

    @property
    def value(self) -> Tensor:
        return self._tensor(self.layer.get_param(self.name))

    @property
    def gradient(self) -> Optional[Tensor]:
        if not self.layer.has_grad(self.name):
            return None
        return self._tensor(self.layer.get_grad(self.name))

    def set_gradient(self, gradient: Tensor) -> None:
        if not self.layer.has_grad(self.name):
            zeros = cast(Any, self.layer.ops.alloc(tuple(gradient.shape)))
            self.layer.set_grad(self.name, zeros)
        # It shares the array's memory.
        self._tensor(self.layer.get_grad(self.name)).copy_(gradient)

    def _tensor(self, array: Any) -> Tensor:
        on_cpu = self.layer.ops.device_type == "cpu"
        return xp2torch(array, device=torch.device("cpu") if on_cpu else None)


class TorchWeight:
    """A parameter of a torch module. key: The optimizer's name of it."""

    def __init__(self, parameter: Any, key: KeyT):
        self.parameter, self.key = parameter, key

    @property
    def value(self) -> Tensor:
        return self.parameter.data

    @property
    def gradient(self) -> Optional[Tensor]:
        found = self.parameter.grad
        if found is None or not found.is_sparse:
            return found
        # Sparse in rows is how embeddings are; anything else is rare.
        return found.coalesce() if found.sparse_dim() == 1 else found.to_dense()

    def set_gradient(self, gradient: Tensor) -> None:
        self.parameter.grad = gradient.to(self.parameter.dtype)


def weights_of(models: Iterable[Model]) -> List[Weight]:
    """The weights of models, each once, in an order that is the same in all processes."""
    found: Dict[Any, Weight] = {}
    for model in models:
        for layer in model.walk():
            for weight in _weights_of_layer(layer):
                found.setdefault(weight.key, weight)
    return list(found.values())


def _weights_of_layer(layer: Model) -> Iterator[Weight]:
    for name in layer.param_names:
        if layer.has_param(name):
            yield ThincWeight(layer, name)
    for shim in layer.shims:
        module = module_of(shim)
        for name, parameter in () if module is None else module.named_parameters():
            yield TorchWeight(parameter, (cast(Any, shim).id, name))


def sum_gradients(models: List[Model], ranks: Ranks) -> Set[Any]:
    """Give the models of all processes the sum of their gradients. What has a gradient in one of
    them has one in all; what has none anywhere is left without.

    models: The same in all processes.
    RETURNS: The optimizer's keys of the weights that have a gradient.
    """
    if ranks.count == 1:
        return set()
    weights = weights_of(models)
    mine = [weight.gradient for weight in weights]
    kinds = ranks.gather_numbers(torch.tensor([kind_of(gradient) for gradient in mine]))
    rows = _rows_of_all(mine, kinds, ranks)
    changed = [i for i in range(len(weights)) if (kinds[:, i] != NOTHING).any()]
    parts = [_part(weights[i], mine[i], rows.get(i)) for i in changed]
    if parts:
        _add_up(parts, ranks)
    for i, part in zip(changed, parts):
        weights[i].set_gradient(_gradient_from(part, weights[i], rows.get(i)))
    return {weights[i].key for i in changed}


def kind_of(gradient: Optional[Tensor]) -> int:
    """How many rows a sparse gradient has, DENSE or NOTHING."""
    if gradient is None:
        return NOTHING
    return gradient.indices().shape[1] if gradient.is_sparse else DENSE


def _rows_of_all(mine: List[Optional[Tensor]], kinds: Tensor, ranks: Ranks) -> Dict[int, Tensor]:
    """The rows that have a gradient in any process, sorted, by the number of the weight: of those
    whose gradient is sparse wherever there is one."""
    sparse = [
        i for i in range(len(mine)) if (kinds[:, i] >= 0).any() and not (kinds[:, i] == DENSE).any()
    ]
    if not sparse:
        return {}
    counts = kinds[:, sparse].clamp(min=0)
    # All processes give as many numbers: those that have fewer rows fill up.
    numbers = torch.zeros(int(counts.sum(dim=1).max()), dtype=torch.int64)
    own = [cast(Tensor, mine[i]).indices()[0].cpu() for i in sparse if mine[i] is not None]
    if own:
        joined = torch.cat(own)
        numbers[: len(joined)] = joined
    given = ranks.gather_numbers(numbers)
    ends = counts.cumsum(dim=1)
    return {
        i: torch.cat(
            [
                row[end - count : end]
                for row, end, count in zip(given, ends[:, place], counts[:, place])
            ]
        ).unique()
        for place, i in enumerate(sparse)
    }


def _part(weight: Weight, gradient: Optional[Tensor], rows: Optional[Tensor]) -> Tensor:
    """What a process adds to a sum: a whole gradient, or its rows among others. rows: Those others,
    sorted; None for a whole gradient."""
    value = weight.value
    if rows is None:
        if gradient is None:
            return torch.zeros_like(value, dtype=torch.float32)
        return gradient.to_dense().float() if gradient.is_sparse else gradient.float()
    part = torch.zeros(len(rows), *value.shape[1:], device=value.device)
    if gradient is not None:
        places = torch.searchsorted(rows, gradient.indices()[0].cpu())
        part[places.to(value.device)] = gradient.values().float()
    return part


def _add_up(parts: List[Tensor], ranks: Ranks) -> None:
    """Sum each part over all processes. They go as one array: a call for each would take longer."""
    joined = torch.cat([part.reshape(-1) for part in parts])
    ranks.add_up(joined)
    sizes = [part.numel() for part in parts]
    for i, summed in enumerate(joined.split(sizes)):
        parts[i] = summed.view(parts[i].shape)


def _gradient_from(summed: Tensor, weight: Weight, rows: Optional[Tensor]) -> Tensor:
    if rows is None:
        return summed
    indices = rows.to(summed.device)[None]
    shape = weight.value.shape
    return torch.sparse_coo_tensor(
        indices, summed, shape, is_coalesced=True, check_invariants=False
    )
