"""thinc's shim for torch modules, with what recurrent models in spaCy need of it."""

import contextlib
import copy
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, cast

import numpy
import srsly
import torch
from thinc.api import ArgsKwargs, Model, PyTorchShim, torch2xp, xp2torch
from thinc.optimizers import Optimizer
from thinc.types import FloatsXd
from thinc.util import get_torch_default_device
from torch import Tensor, nn

from ..engine.home import HomeProcess
from ..engine.threads import limit_threads_in_children, one_thread
from ..engine.transfer import to_device
from ..errors import Errors
from .row_updates import RowUpdates
from .weights import are_weights


class RNNShim(PyTorchShim):
    """Between a torch module and a thinc model.

    Differs from `thinc.shims.PyTorchShim`, which it extends, in that

    - the module is built when its sizes are known, or when weights are loaded;
    - weights are saved as safetensors beside the sizes, nothing is unpickled, and what does not
      fit is refused before memory is allocated for it;
    - parameter averages reach the torch weights;
    - gradients are clipped by their norm over the whole module;
    - a parameter without a gradient is left alone, by momentum and decay as well, and of one
      whose gradient is sparse the rows without any;
    - the module is in training mode inside `begin_update` only;
    - torch's threads are left to the recurrent layers, which run side by side;
    - a copy has an id, and so an optimizer state, of its own.

    build: Makes the module. Called with `config` as keyword arguments.
    name: What errors call the layer.
    max_grad_norm: Scale the module's gradients so that their joint norm is at most
        this, as `torch.nn.utils.clip_grad_norm_` does. 0 leaves them.
    """

    def __init__(
        self, build: Callable[..., nn.Module], name: str, *, max_grad_norm: float = 0.0
    ) -> None:
        super().__init__(None)
        self._module: Optional[nn.Module] = None
        self.build_module = build
        self.name = name
        self.max_grad_norm = max_grad_norm
        # Counts changes of the weights, so that what was computed from them can tell
        # whether it still holds.
        self.version = 0
        self.home = HomeProcess()
        self._first: Tuple[Any, Any] = (None, None)
        self._derived: Tuple[int, Dict[str, Any]] = (0, {})
        self._row_updates: Dict[str, RowUpdates] = {}

    def __deepcopy__(self, memo: Dict[int, Any]) -> "RNNShim":
        copied = self.__class__(self.build_module, self.name, max_grad_norm=self.max_grad_norm)
        copied.cfg = copy.deepcopy(self.cfg, memo)
        copied._module = copy.deepcopy(self._module, memo)
        for part in copied._module.modules() if copied._module is not None else ():
            # cuDNN wants a layer's weights in one piece of memory; a copy has them in many.
            if isinstance(part, nn.RNNBase):
                part.flatten_parameters()
        memo[id(self)] = copied
        return copied

    def __getstate__(self) -> Dict[str, Any]:
        """For another process: without the optimizer, and what is remembered of this one.

        Weights go as bytes. For a process that is being spawned torch would move them into shared
        memory, in this process too, and free the memory that views of them point to.
        """
        device = None if self._module is None else self.device
        fresh: Dict[str, Any] = {
            "_row_updates": {},
            "_derived": (0, {}),
            "_first": (None, None),
            "_module": None,
        }
        return {**self.__dict__, **fresh, "saved": (self.to_bytes(), device)}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        data, device = state.pop("saved")
        self.__dict__.update(state)
        self.from_bytes(data)
        if device is not None:
            self.module.to(device)
        self.home = state["home"]

    def build(self, **config: Any) -> None:
        """Make a module with fresh weights, on the device of the current ops.

        config: Arguments for `build`, JSON values only: they are saved.
        """
        module = self._make(config).to(get_torch_default_device()).eval()
        self.set_module(config, module)

    def _make(self, config: Dict[str, Any]) -> nn.Module:
        """A module of float32, as thinc's arrays are, whatever torch's default is."""
        module = self.build_module(**config)
        return module if torch.get_default_dtype() == torch.float32 else module.float()

    def set_module(self, config: Dict[str, Any], module: Optional[nn.Module]) -> None:
        """Replace the module, None for one that is not built yet."""
        self.cfg, self._module = config, module
        self.home = HomeProcess()
        self._row_updates = {}
        self.version += 1

    @property
    def module(self) -> Any:
        """The torch module. RAISES: KeyError if there is none yet, which spaCy
        reports as a component that was not initialized (E109)."""
        if self._module is None:
            raise KeyError(Errors.R101.format(name=self.name))
        return self._module

    @property
    def device(self) -> Any:
        """Where the module is."""
        # torch takes long to find a module's first parameter.
        module, parameter = self._first
        if module is not self.module:
            parameter = next(self.module.parameters(), None)
            self._first = self.module, parameter
        return get_torch_default_device() if parameter is None else parameter.device

    def derived(self, name: str, make: Callable[[Any], Any]) -> Any:
        """What is computed from the weights, once for as long as these stay as they are.

        name: Of what is computed. make: Computes it from the module.
        """
        limit_threads_in_children()
        version = self.version
        held, known = self._derived
        if held != version:
            known = {}
            self._derived = version, known
        if name not in known:
            known[name] = make(self.module)
        return known[name]

    def view(self, name: str) -> Any:
        """A parameter as an array, which must not be written to."""
        return self.derived(name, lambda module: to_array(module.get_parameter(name).detach()))

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Run the module without keeping anything for a backward pass."""
        with torch.no_grad():
            return self._output_of(inputs)

    def _output_of(self, inputs: ArgsKwargs) -> Tensor:
        """What the module returns, or the first of several things: a recurrent net also gives
        its state."""
        limit_threads_in_children()
        with one_thread():
            # Not by calling the module: torch would look for hooks, for as long as a word takes.
            found = self.module.forward(*inputs.args, **inputs.kwargs)
        return found[0] if isinstance(found, tuple) else found

    def begin_update(self, inputs: ArgsKwargs) -> Tuple[Tensor, Callable[[Tensor], Any]]:
        """Run the module in training mode.

        RETURNS: Its output, and a callback that takes the output's gradient, adds to those of
            the parameters, and returns that of the first input, or None where it wants none.
        """
        self.module.train()
        try:
            output = self._output_of(inputs)
        finally:
            self.module.eval()

        def backprop(d_output: Tensor) -> Any:
            with one_thread():
                output.backward(d_output)
            return inputs.args[0].grad

        return output, backprop

    def differentiate(self, inputs: ArgsKwargs) -> Tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Run the module in evaluation mode, for the gradient of its first input alone:
        neither modes nor the parameters' gradients change.

        RETURNS: Its output, and a callback from the output's gradient to the input's.
        """
        with torch.inference_mode(False), torch.enable_grad():
            output = self._output_of(inputs)

        def backprop(d_output: Tensor) -> Tensor:
            with torch.inference_mode(False), one_thread():
                return torch.autograd.grad(output, inputs.args[0], d_output)[0]

        return output, backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update all parameters that have a gradient, and drop their gradients."""
        if self._module is None:
            return
        if self.max_grad_norm > 0:
            nn.utils.clip_grad_norm_(self._module.parameters(), self.max_grad_norm)
        for name, parameter in self._module.named_parameters():
            if parameter.grad is not None:
                self._update_parameter(optimizer, name, parameter)
                parameter.grad = None
        # Not before: what others compute meanwhile does not hold.
        self.version += 1

    def _update_parameter(self, optimizer: Optimizer, name: str, parameter: Any) -> None:
        in_place = parameter.device.type in ("cpu", "cuda")
        if parameter.grad.is_sparse and not (in_place and isinstance(optimizer, Optimizer)):
            # On other devices thinc has a copy. And another function in place of the optimizer,
            # as in spaCy's `rehearse`, wants all of the gradient.
            parameter.grad = parameter.grad.to_dense()
        if parameter.grad.is_sparse:
            grad = parameter.grad.coalesce()
            rows, grads = torch2xp(grad.indices()[0]), torch2xp(grad.values())
            updates = self._row_updates.setdefault(name, RowUpdates())
            updates.step(optimizer, (self.id, name), torch2xp(parameter.data), rows, grads)
            return
        # thinc's optimizer takes float32 of one dimension or more. Where the parameter
        # is that already, the flat views share its memory and are updated in place.
        data = parameter.data.float().reshape(-1)
        grad = parameter.grad.float().reshape(-1)
        arrays = cast(FloatsXd, torch2xp(data)), cast(FloatsXd, torch2xp(grad))
        updated, _ = optimizer((self.id, name), *arrays)
        result = xp2torch(updated, device=parameter.device)
        if result.data_ptr() != parameter.data.data_ptr():
            parameter.data.copy_(result.view_as(parameter))

    def get_progress(self) -> Dict[str, numpy.ndarray]:
        """What the next steps depend on beside weights and optimizer: see
        `training.learning_state`."""
        return {
            f"{name}/{part}": value
            for name, updates in self._row_updates.items()
            for part, value in updates.progress.items()
        }

    def set_progress(self, optimizer: Optimizer, progress: Dict[str, numpy.ndarray]) -> None:
        """Go on as another shim would have, after its weights were set.

        optimizer: Of this process. progress: As the other one gave it.
        """
        for name in sorted({key.rpartition("/")[0] for key in progress}):
            parts = {part: progress[f"{name}/{part}"] for part in ("decay", "seen")}
            updates = RowUpdates.from_progress(optimizer, (self.id, name), parts)
            self._row_updates[name] = updates
        self.version += 1

    @contextlib.contextmanager
    def use_params(self, params: Any) -> Iterator[None]:
        """Use other weights, such as averages, within the context. params: By the optimizer's
        keys; None, as it is where the optimizer keeps no averages, leaves the weights."""
        backup = {}
        named = self._module.named_parameters() if self._module is not None else ()
        try:
            for name, parameter in named:
                value = (params or {}).get((self.id, name))
                if value is not None:
                    if name in self._row_updates:
                        self._row_updates[name].catch_up(torch2xp(parameter.data))
                    backup[parameter] = parameter.data.clone()
                    value = xp2torch(value, device=parameter.device)
                    parameter.data.copy_(value.view_as(parameter))
            self.version += 1
            yield
        finally:
            for parameter, value in backup.items():
                parameter.data.copy_(value)
            self.version += 1

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the module: to a "gpu", or to the "cpu", whose number does not count."""
        if self._module is not None:
            self._module.to("cpu" if device_type == "cpu" else f"cuda:{device_id}")
            self.home = HomeProcess()
            self.version += 1

    def to_bytes(self) -> bytes:
        """Sizes and weights, enough to build the module again."""
        from safetensors.torch import save

        state = b""
        if self._module is not None:
            tensors = self._module.state_dict()
            state = save({name: t.cpu().contiguous() for name, t in tensors.items()})
        return srsly.msgpack_dumps({"config": self.cfg, "state": state})

    def from_bytes(self, bytes_data: bytes) -> "RNNShim":
        """Build the module and load its weights. Nothing changes if that fails.

        RAISES: ValueError for data that is corrupt, incomplete or of another shape.
        """
        try:
            msg = srsly.msgpack_loads(bytes_data)
            # Weights that came without settings: see `layers.learned`.
            config = {**self.cfg, **msg["sizes"]} if "sizes" in msg else dict(msg["config"])
            state = bytes(msg["state"])
        except Exception as error:
            raise self._misfit(f"{type(error).__name__}: {error}") from error
        self.set_module(config, self._load_module(config, state) if state else None)
        return self

    def _load_module(self, config: Dict[str, Any], state: bytes) -> nn.Module:
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            # Half precision is a way to save weights, not to compute.
            tensors = {n: t.float() if t.dtype == torch.half else t for n, t in load(state).items()}
            layers = config.get("num_layers", 1)
            if layers > len(tensors):
                raise ValueError(f"it has {len(tensors)} tensors, and num_layers is {layers}")
            # The module that the sizes describe, without room for its weights.
            with torch.device("meta"):
                module = self._make(config)
            _check_tensors(tensors, module.state_dict())
            module.load_state_dict(tensors, strict=True, assign=True)
        except (SafetensorError, RuntimeError, TypeError, ValueError, OverflowError) as error:
            raise self._misfit(str(error)) from error
        return module.to(get_torch_default_device()).eval()

    def _misfit(self, problem: str) -> ValueError:
        return ValueError(Errors.R102.format(name=self.name, problem=problem))


def _check_tensors(found: Dict[str, Tensor], expected: Dict[str, Tensor]) -> None:
    """RAISES: ValueError unless they are of the same names, shapes and types, and weights."""
    if found.keys() != expected.keys():
        raise ValueError(f"it has the tensors {sorted(found)}, expected {sorted(expected)}")
    for name, tensor in found.items():
        wanted = expected[name]
        if (tensor.shape, tensor.dtype) != (wanted.shape, wanted.dtype):
            raise ValueError(
                f"'{name}' is {tensor.dtype} of shape {tuple(tensor.shape)}, expected "
                f"{wanted.dtype} of {tuple(wanted.shape)}"
            )
        if not are_weights(tensor.numpy()):
            raise ValueError(f"'{name}' has values that are not numbers, or too large")


def module_of(shim: Any) -> Optional[nn.Module]:
    """The torch module of a shim, None where it is not built yet. thinc's shims have no public name
    for it."""
    return next((part for part in vars(shim).values() if isinstance(part, nn.Module)), None)


def shims_of(model: Model) -> List[RNNShim]:
    """The shims of all layers that wrap a torch module of this package."""
    return [shim for node in model.walk() for shim in node.shims if isinstance(shim, RNNShim)]


def shim_of(model: Model) -> RNNShim:
    """The shim of a layer that wraps a torch module."""
    return cast(RNNShim, model.shims[0])


def run_module(
    model: Model, args: Tuple[Tensor, ...], is_train: bool
) -> Tuple[Any, Callable[[Any], Any]]:
    """Run the module of a layer on tensors.

    args: Its arguments, on its device. The first one's gradient is returned if it requires one.
    RETURNS: Its output as an array, and a callback between the gradients, as arrays.
    """
    shim, inputs = shim_of(model), ArgsKwargs(args=args, kwargs={})
    if not is_train:
        return to_array(shim.predict(inputs)), lambda d_output: None
    if "dropout_rate" in model.attrs:
        # spaCy sets the rate of [training] on the layer, of which torch knows nothing. Layers
        # with a rate of their own have no such attribute.
        shim.module.dropout = model.attrs["dropout_rate"]
    return _as_arrays(*shim.begin_update(inputs))


def differentiate_module(
    model: Model, args: Tuple[Tensor, ...]
) -> Tuple[Any, Callable[[Any], Any]]:
    """As `run_module`, in evaluation mode and for the gradient of the first argument alone."""
    with torch.inference_mode(False):
        # What was made in inference mode has no gradient, but a copy made outside of it has.
        first, *others = (arg.clone() if arg.is_inference() else arg for arg in args)
        inputs = ArgsKwargs(args=(first.detach().requires_grad_(), *others), kwargs={})
    return _as_arrays(*shim_of(model).differentiate(inputs))


def to_torch(model: Model, array: Any) -> Tensor:
    """An array on the device of a layer's module."""
    if isinstance(array, numpy.ndarray):
        return to_device(torch.from_numpy(array), shim_of(model).device)
    return xp2torch(array, device=shim_of(model).device)


def to_array(tensor: Tensor) -> Any:
    """numpy's, or cupy's on a GPU."""
    if tensor.dtype == torch.bfloat16:
        # Neither of them knows it.
        tensor = tensor.float()
    return tensor.numpy() if tensor.device.type == "cpu" else torch2xp(tensor)


def _as_arrays(output: Tensor, backprop: Callable) -> Tuple[Any, Callable[[Any], Any]]:
    def backprop_array(d_output: Any) -> Any:
        grad = backprop(xp2torch(d_output, device=output.device).to(output.dtype))
        return None if grad is None else to_array(grad)

    return to_array(output.detach()), backprop_array
