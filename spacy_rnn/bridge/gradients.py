"""Gradients of what goes into a layer, with nothing else touched."""

import copy
from typing import Any, Callable, Tuple

from thinc.api import Model, set_dropout_rate


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
