"""Gradients of what goes into a layer, with nothing else touched."""

import contextlib
import copy
from typing import Any, Callable, Dict, Iterable, Iterator, Tuple

from thinc.api import Model, set_dropout_rate

from .shim import module_of


def differentiate(
    layer: Model, X: Any, run: Callable[..., Tuple[Any, Callable]] = Model.__call__
) -> Tuple[Any, Callable]:
    """Run a layer in evaluation mode, for the gradient of its input: parameters' gradients
    stay as they are, and other threads may predict with the layer meanwhile.

    layer: One that says how in `attrs["differentiate"]`, as those with a torch module do; or one
        of thinc's, of which a copy is run, since its backward pass adds to its gradients.
    run: Runs such a copy in place of calling it, as `read_rows`.
    RETURNS: What the layer gives, and a callback from its gradient to that of X.
    """
    if "differentiate" in layer.attrs:
        return layer.attrs["differentiate"](layer, X)
    # Model.copy would lose references between layers.
    return run(set_dropout_rate(copy.deepcopy(layer), 0.0), X, True)


@contextlib.contextmanager
def without_dropout(layers: Iterable[Model]) -> Iterator[None]:
    """Run layers in training mode without dropout within the context: the rates that spaCy sets,
    and those that torch modules were built with."""
    rates = [rate for layer in layers for node in layer.walk() for rate in _dropout_of(node)]
    for owner, name, _ in rates:
        owner[name] = 0.0
    try:
        yield
    finally:
        for owner, name, rate in rates:
            owner[name] = rate


def _dropout_of(node: Model) -> Iterator[Tuple[Dict[str, Any], str, float]]:
    """Where the rates of one layer stand, each with its name there, and its value."""
    found = [module_of(shim) for shim in node.shims]
    modules = [part for module in found if module is not None for part in module.modules()]
    for owner, name in [
        (node.attrs, "dropout_rate"),
        *((vars(part), "dropout") for part in modules),
    ]:
        if isinstance(owner.get(name), float):
            yield owner, name, owner[name]
