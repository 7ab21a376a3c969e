"""All that the next step of a training depends on: weights, and what the optimizer remembers.

A component, or a layer's shim, that remembers more than that says so by the methods `get_progress`
and `set_progress`; see `RNNShim` and `TextCatLSTM`.
"""

from typing import Any, Collection, Dict, Iterator, Tuple

import numpy
import torch
from spacy.language import Language
from thinc.api import Model, Optimizer, PyTorchShim, get_current_ops
from thinc.backends import get_array_ops

from ..bridge.shim import module_of
from ..errors import Errors

Arrays = Dict[str, numpy.ndarray]
# The optimizer's name of a weight, which another process has another one for.
Key = Tuple[int, str]
# What the optimizer keeps of each weight.
TABLES = ("mom1", "mom2", "averages")
DROPOUT = "dropout_rate"


class LearningState:
    """What is learned in a pipeline, as arrays and JSON values by names that hold in any process:
    the component, the number of the layer in it, and the layer's own name for the weight.

    nlp: The pipeline. frozen: Components that are not updated. optimizer: What updates the others.
    """

    def __init__(self, nlp: Language, frozen: Collection[str], optimizer: Optimizer):
        self.optimizer = optimizer
        self.pipes = {name: pipe for name, pipe in nlp.pipeline if name not in frozen}
        self.layers = dict(self._layers())
        self.shims = dict(self._shims())
        self.keys = dict(self._keys())

    def _layers(self) -> Iterator[Tuple[str, Model]]:
        for name, pipe in self.pipes.items():
            model = getattr(pipe, "model", None)
            for i, layer in enumerate(model.walk() if isinstance(model, Model) else ()):
                yield f"{name}/{i}", layer

    def _shims(self) -> Iterator[Tuple[str, PyTorchShim]]:
        for place, layer in self.layers.items():
            for i, shim in enumerate(layer.shims):
                if not isinstance(shim, PyTorchShim):
                    problem = f"it has weights of a {type(shim).__name__}"
                    raise ValueError(Errors.R718.format(layer=layer.name, problem=problem))
                yield f"{place}.{i}", shim

    def _keys(self) -> Iterator[Tuple[str, Key]]:
        for place, layer in self.layers.items():
            for name in layer.param_names:
                yield f"{place}/{name}", (layer.id, name)
        for place, shim in self.shims.items():
            for name in _tensors_of(shim):
                yield f"{place}/{name}", (shim.id, name)

    def get(self) -> Tuple[Arrays, Dict[str, Any]]:
        """RETURNS: Arrays by name, which are not copies; and the rest, as JSON values.
        RAISES: ValueError for weights that the optimizer knows and no component does."""
        arrays = {f"weight/{place}": value for place, value in self._weights().items()}
        arrays.update((f"gradient/{place}", value) for place, value in self._gradients())
        names = {key: name for name, key in self.keys.items()}
        unknown = set(self.optimizer.nr_update) - set(names)
        if unknown:
            raise ValueError(Errors.R719.format(names=sorted({name for _, name in unknown})))
        for table in TABLES:
            for key, value in (getattr(self.optimizer, table) or {}).items():
                arrays[f"{table}/{names[key]}"] = _to_numpy(value)
        for place, shim in self.shims.items():
            progress = shim.get_progress() if hasattr(shim, "get_progress") else {}
            arrays.update((f"progress/{place}/{name}", value) for name, value in progress.items())
        rest = {
            "updates": {names[key]: count for key, count in self.optimizer.nr_update.items()},
            "progress": {name: pipe.get_progress() for name, pipe in self._that_tell()},
            # A step sets it, and it is saved with the pipeline.
            "dropout": {
                place: layer.attrs[DROPOUT]
                for place, layer in self.layers.items()
                if DROPOUT in layer.attrs
            },
        }
        return arrays, rest

    def _that_tell(self) -> Iterator[Tuple[str, Any]]:
        """Components that say what they remember."""
        return ((name, pipe) for name, pipe in self.pipes.items() if hasattr(pipe, "get_progress"))

    def _weights(self) -> Arrays:
        found: Arrays = {}
        for place, layer in self.layers.items():
            for name in layer.param_names:
                value = layer.maybe_get_param(name)
                if value is not None:
                    found[f"{place}/{name}"] = _to_numpy(value)
        for place, shim in self.shims.items():
            for name, tensor in _tensors_of(shim).items():
                found[f"{place}/{name}"] = tensor.detach().cpu().numpy()
        return found

    def _gradients(self) -> Iterator[Tuple[str, numpy.ndarray]]:
        """Those that are there between two steps: thinc keeps them, filled with zeros, and updates
        the weights that have one, whether a step has added to it or not."""
        for place, layer in self.layers.items():
            for name in layer.param_names:
                if layer.has_grad(name):
                    yield f"{place}/{name}", _to_numpy(layer.get_grad(name))
        for place, shim in self.shims.items():
            for name, parameter in _parameters_of(shim).items():
                if parameter.grad is not None:
                    yield f"{place}/{name}", parameter.grad.cpu().numpy()

    def check(self, arrays: Arrays) -> None:
        """RAISES: ValueError if the weights are of others than those of the pipeline."""
        mine = {name: value.shape for name, value in self._weights().items()}
        others = {name: value.shape for name, value in _part(arrays, "weight").items()}
        different = sorted(name for name, _ in mine.items() ^ others.items())
        if different:
            name = different[0]
            shapes = {"found": mine.get(name), "saved": others.get(name)}
            raise ValueError(Errors.R715.format(name=name, **shapes))

    def set(self, arrays: Arrays, rest: Dict[str, Any]) -> None:
        """Go on as another pipeline would have. arrays, rest: As `get` of that one gave them.

        RAISES: ValueError if its weights are of others than those of this pipeline.
        """
        self.check(arrays)
        weights, gradients = _part(arrays, "weight"), _part(arrays, "gradient")
        xp: Any = get_current_ops().xp
        for place, layer in self.layers.items():
            for name, value in _part(weights, place).items():
                layer.set_param(name, xp.array(value))
            for name, value in _part(gradients, place).items():
                layer.set_grad(name, xp.array(value))
        for place, shim in self.shims.items():
            self._set_tensors(shim, _part(weights, place), _part(gradients, place))
        for table in TABLES:
            for name, value in _part(arrays, table).items():
                getattr(self.optimizer, table)[self.keys[name]] = xp.array(value)
        for name, count in rest["updates"].items():
            self.optimizer.nr_update[self.keys[name]] = count
        for place, rate in rest["dropout"].items():
            self.layers[place].attrs[DROPOUT] = rate
        for place, shim in self.shims.items():
            if hasattr(shim, "set_progress"):
                shim.set_progress(self.optimizer, _part(arrays, f"progress/{place}"))
        for name, pipe in self._that_tell():
            pipe.set_progress(rest["progress"][name])

    def _set_tensors(self, shim: PyTorchShim, weights: Arrays, gradients: Arrays) -> None:
        module = module_of(shim)
        if module is None:
            return
        module.load_state_dict({k: torch.tensor(value) for k, value in weights.items()})
        parameters = _parameters_of(shim)
        for name, value in gradients.items():
            parameters[name].grad = torch.tensor(value, device=parameters[name].device)


def _tensors_of(shim: PyTorchShim) -> Dict[str, Any]:
    """Weights of a module, and what else it saves; none as long as it is not built."""
    module = module_of(shim)
    return {} if module is None else module.state_dict()


def _parameters_of(shim: PyTorchShim) -> Dict[str, Any]:
    module = module_of(shim)
    return {} if module is None else dict(module.named_parameters())


def _part(arrays: Arrays, prefix: str) -> Arrays:
    """The arrays whose names begin with a prefix, by what follows it."""
    start = f"{prefix}/"
    return {name[len(start) :]: value for name, value in arrays.items() if name.startswith(start)}


def _to_numpy(value: Any) -> numpy.ndarray:
    return get_array_ops(value).to_numpy(value)
