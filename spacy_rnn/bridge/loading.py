"""Loading a model as a whole or not at all."""

import gc
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Optional, Tuple

import srsly
from thinc.api import Model
from thinc.backends import get_array_ops

from ..errors import Errors
from .shim import RNNShim, module_of
from .weights import are_weights

# What a layer is as a plain attribute, which thinc has no function for.
PLAIN = ("name",)
# What layers learn that version 0.4 or 0.6 did not know.
NEWER = ("rarity", "temperature")


@contextmanager
def unchanged_on_error(model: Model) -> Iterator[None]:
    """Put a model back as it was, all layers of it, if loading it fails within the context."""
    before = [(node, _state_of(node)) for node in model.walk()]
    try:
        yield
    except BaseException:
        for node, state in before:
            _restore(node, state)
        raise


@contextmanager
def collector_as_before() -> Iterator[None]:
    """Leave Python's garbage collector on or off as it is. srsly turns it off to read msgpack, and
    leaves it so where that fails."""
    enabled = gc.isenabled()
    try:
        yield
    finally:
        (gc.enable if enabled else gc.disable)()


def is_setting(value: Any) -> bool:
    """Whether an attribute of a layer says how it is set or what it can do, not what it has
    learned."""
    plain = (str, bytes, int, float, bool, list, tuple, dict)
    return value is None or callable(value) or isinstance(value, plain)


def load_model(model: Model, data: bytes) -> None:
    """Load what a model has learned: not settings, nor what a layer can do or refers to.

    RAISES: ValueError for data that do not fit, which may have been loaded in part: see
        `unchanged_on_error`.
    """
    msg: Any = srsly.msgpack_loads(data)
    _check_parts(model, msg)
    before = [(node, _state_of(node)) for node in model.walk()]
    _forget_newer(model, msg)
    model.from_dict(msg)
    _check_none_is_missing(model, msg)
    _widen(model)
    for node, state in before:
        node.attrs.update({k: v for k, v in state["attrs"].items() if is_setting(v)})
        _restore_named(node, state)
    check_model(model)


def _check_parts(model: Model, msg: Dict[str, Any]) -> None:
    """Check that saved data have all parts of a model.

    RAISES: ValueError that names the layer which lacks one, or has one more.
    """
    nodes = list(model.walk())
    if any(len(msg[part]) != len(nodes) for part in ("nodes", "attrs", "params", "shims")):
        raise ValueError(f"it has {len(msg['nodes'])} layers, expected {len(nodes)}")
    parts = (msg["nodes"], msg["attrs"], msg["params"], msg["shims"])
    for node, info, attrs, params, shims in zip(nodes, *parts):
        tables = {k for k, v in node.attrs.items() if not is_setting(v)} - {"cut", *NEWER}
        whole = set(params) == set(node.param_names) and tables <= set(attrs)
        known = set(info["refs"]) <= set(node.ref_names)
        if not whole or not known or len(shims) != len(node.shims):
            problem = "some of its data are missing, or there are others"
            raise ValueError(Errors.R102.format(name=node.name, problem=problem))


def _check_none_is_missing(model: Model, msg: Dict[str, Any]) -> None:
    """Check that loaded data have the weights of all layers, or, as those of a model that was not
    initialized, of none. Where they have none, thinc leaves the parameters that a layer has.

    RAISES: ValueError that names the layer without weights.
    """
    modules = [(node, s) for node in model.walk() for s in node.shims if isinstance(s, RNNShim)]
    weights = [(node, module_of(shim)) for node, shim in modules]
    for node, params in zip(model.walk(), msg["params"]):
        weights += [(node, value) for value in params.values()]
    missing = [node for node, value in weights if value is None]
    if 0 < len(missing) < len(weights):
        problem = "its weights are missing"
        raise ValueError(Errors.R102.format(name=missing[0].name, problem=problem))


def _forget_newer(model: Model, msg: Dict[str, Any]) -> None:
    """Empty what a model may have learned and older versions do not save."""
    for node, attrs in zip(model.walk(), msg["attrs"]):
        for name in NEWER:
            if name in node.attrs and name not in attrs:
                node.attrs[name] = type(node.attrs[name])()


def _widen(model: Model) -> None:
    """Make float32 of weights that were saved in half precision."""
    for node in model.walk():
        for name in node.param_names:
            value: Any = node.maybe_get_param(name)
            if value is not None and value.dtype == "float16":
                node.set_param(name, value.astype("float32"))


def _state_of(node: Model) -> Dict[str, Any]:
    return {
        **{part: getattr(node, part) for part in PLAIN},
        "attrs": dict(node.attrs),
        "dims": {name: node.maybe_get_dim(name) for name in node.dim_names},
        "refs": {name: node.maybe_get_ref(name) for name in node.ref_names},
        "params": {name: node.maybe_get_param(name) for name in node.param_names},
        "shims": [(shim, shim.cfg, module_of(shim)) for shim in node.shims],
    }


def _restore(node: Model, state: Dict[str, Any]) -> None:
    # thinc changes a dimension only where no parameter has it.
    for name in node.param_names:
        node.set_param(name, None)
    for name, dim in state["dims"].items():
        node.set_dim(name, dim, force=True)
    for name, value in state["params"].items():
        node.set_param(name, value)
    node.attrs.clear()
    node.attrs.update(state["attrs"])
    _restore_named(node, state)
    for shim, config, module in state["shims"]:
        shim.set_module(config, module)


def _restore_named(node: Model, state: Dict[str, Any]) -> None:
    for part in PLAIN:
        setattr(node, part, state[part])
    for name in node.ref_names:
        node.set_ref(name, state["refs"].get(name))


def check_model(model: Model) -> None:
    """Check what was loaded: numbers that are numbers, as many of them as the layers say, and
    what layers say of themselves by `attrs["check"]`.

    RAISES: ValueError that names the layer.
    """
    for node in model.walk():
        for name in node.param_names:
            value = node.maybe_get_param(name)
            problem = "" if value is None else _problem_of(node, name, value)
            if problem:
                raise ValueError(Errors.R102.format(name=node.name, problem=problem))
        if "check" in node.attrs and None not in map(module_of, node.shims):
            node.attrs["check"](node)


def _problem_of(node: Model, name: str, value: Any) -> str:
    if value.dtype != "float32":
        return f"'{name}' is {value.dtype}, expected float32"
    if not are_weights(get_array_ops(value).to_numpy(value)):
        return f"'{name}' has values that are not numbers, or too large"
    shape = _shape_of(name, {dim: node.maybe_get_dim(dim) for dim in node.dim_names})
    if shape is not None and value.shape != shape:
        return f"'{name}' is of shape {value.shape}, expected {shape}"
    return ""


def _shape_of(name: str, dims: Dict[str, Any]) -> Optional[Tuple[int, ...]]:
    """The shape of a parameter of the layers that this package uses, None of others."""
    nO = dims.get("nO")
    if nO is None or "nP" in dims:
        return None
    if name in ("b", "Q"):
        return (nO,)
    if name != "W":
        return None
    if "length" in dims:
        return (nO * dims["length"],)
    width = dims.get("nI") or dims.get("nM")
    return (nO, width) if width else None
