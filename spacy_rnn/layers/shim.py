"""thinc's shim for torch modules, with what recurrent models in spaCy need of it."""

import contextlib
import copy
import multiprocessing
import os
from typing import Any, Callable, Dict, Tuple, cast

import srsly
from thinc.api import ArgsKwargs, Model, PyTorchShim, torch2xp, xp2torch
from thinc.compat import torch
from thinc.optimizers import Optimizer
from thinc.types import FloatsXd
from thinc.util import convert_recursive, get_torch_default_device

from ..errors import Errors
from .row_updates import RowUpdates


class RNNShim(PyTorchShim):
    """Between a torch module and a thinc model.

    Differs from `thinc.shims.PyTorchShim`, which it extends, in that

    - the module is built when its sizes are known, or when weights are loaded;
    - weights are saved as safetensors beside the sizes, and nothing is unpickled;
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

    def __init__(self, build: Callable[..., Any], name: str, *, max_grad_norm: float = 0.0) -> None:
        super().__init__(None)
        self.build_module = build
        self.name = name
        self.max_grad_norm = max_grad_norm
        # Counts changes of the weights, so that what was computed from them can tell
        # whether it still holds.
        self.version = 0
        self._first: Tuple[Any, Any] = (None, None)
        self._row_updates: Dict[str, RowUpdates] = {}

    def __deepcopy__(self, memo: Dict[int, Any]) -> "RNNShim":
        copied = self.__class__(self.build_module, self.name, max_grad_norm=self.max_grad_norm)
        copied.cfg = copy.deepcopy(self.cfg, memo)
        copied._model = copy.deepcopy(self._model, memo)
        for part in copied._model.modules() if copied._model is not None else ():
            # cuDNN wants a layer's weights in one piece of memory; a copy has them in many.
            if isinstance(part, torch.nn.RNNBase):
                part.flatten_parameters()
        memo[id(self)] = copied
        return copied

    def build(self, **config: Any) -> None:
        """Make a module with fresh weights, on the device of the current ops.

        config: Arguments for `build`, JSON values only: they are saved.
        """
        self.cfg = config
        self._model = self._make(config)
        self.version += 1

    def _make(self, config: Dict[str, Any]) -> Any:
        return self.build_module(**config).to(get_torch_default_device()).eval()

    @property
    def module(self) -> Any:
        """The torch module. RAISES: KeyError if there is none yet, which spaCy
        reports as a component that was not initialized (E109)."""
        if self._model is None:
            raise KeyError(Errors.R101.format(name=self.name))
        return self._model

    @property
    def device(self) -> Any:
        # torch takes long to find a module's first parameter.
        module, parameter = self._first
        if module is not self.module:
            parameter = next(self.module.parameters(), None)
            self._first = self.module, parameter
        return get_torch_default_device() if parameter is None else parameter.device

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Run the module without keeping anything for a backward pass."""
        from ..modules.threads import one_thread

        limit_threads_in_children()
        with one_thread(), torch.no_grad():
            return self.module(*inputs.args, **inputs.kwargs)

    def begin_update(self, inputs: ArgsKwargs) -> Tuple[Any, Callable]:
        """Run the module in training mode.

        RETURNS: Its outputs, and a callback from the gradients of the outputs, as
            arguments of `torch.autograd.backward`, to those of the inputs.
        """
        from ..modules.threads import one_thread

        limit_threads_in_children()
        self.module.train()
        try:
            with one_thread():
                output = self.module(*inputs.args, **inputs.kwargs)
        finally:
            self.module.eval()

        def backprop(grads: ArgsKwargs) -> Any:
            with one_thread():
                torch.autograd.backward(*grads.args, **grads.kwargs)
            return convert_recursive(lambda x: hasattr(x, "grad"), lambda x: x.grad, inputs)

        return output, backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update all parameters that have a gradient, and drop their gradients."""
        if self._model is None:
            return
        self.version += 1
        if self.max_grad_norm > 0:
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), self.max_grad_norm)
        for name, parameter in self._model.named_parameters():
            if parameter.grad is not None:
                self._update_parameter(optimizer, name, parameter)
                parameter.grad = None

    def _update_parameter(self, optimizer: Optimizer, name: str, parameter: Any) -> None:
        if parameter.grad.is_sparse and not isinstance(optimizer, Optimizer):
            # Another function in its place, as in spaCy's `rehearse`: it wants all of it.
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

    @contextlib.contextmanager
    def use_params(self, params):
        """Use other weights, such as averages, within the context."""
        backup = {}
        if self._model is not None:
            for name, parameter in self._model.named_parameters():
                value = params.get((self.id, name))
                if value is not None:
                    if name in self._row_updates:
                        self._row_updates[name].catch_up(torch2xp(parameter.data))
                    backup[parameter] = parameter.data.clone()
                    value = xp2torch(value, device=parameter.device)
                    parameter.data.copy_(value.view_as(parameter))
        self.version += 1
        try:
            yield
        finally:
            for parameter, value in backup.items():
                parameter.data.copy_(value)
            self.version += 1

    def to_device(self, device_type: str, device_id: int) -> None:
        if self._model is not None:
            super().to_device(device_type, device_id)
            self.version += 1

    def to_bytes(self) -> bytes:
        """Sizes and weights, enough to build the module again."""
        from safetensors.torch import save

        state = b""
        if self._model is not None:
            tensors = self._model.state_dict()
            state = save({name: t.cpu().contiguous() for name, t in tensors.items()})
        return srsly.msgpack_dumps({"config": self.cfg, "state": state})

    def from_bytes(self, bytes_data: bytes) -> "RNNShim":
        """Build the module and load its weights. Nothing changes if that fails.

        RAISES: ValueError for data that is corrupt, incomplete or of another shape.
        """
        try:
            msg = srsly.msgpack_loads(bytes_data)
            config, state = msg["config"], msg["state"]
        except Exception as error:
            raise self._misfit(f"{type(error).__name__}: {error}") from error
        module = self._load_module(config, state) if state else None
        self.cfg, self._model = config, module
        self.version += 1
        return self

    def _load_module(self, config: Dict[str, Any], state: bytes) -> Any:
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            tensors = load(state)
            module = self._make(config)
            module.load_state_dict(tensors, strict=True)
        except (SafetensorError, RuntimeError, TypeError, ValueError) as error:
            raise self._misfit(str(error)) from error
        return module

    def _misfit(self, problem: str) -> ValueError:
        return ValueError(Errors.R102.format(name=self.name, problem=problem))


def shim_of(model: Model) -> RNNShim:
    """The shim of a layer that wraps a torch module."""
    return cast(RNNShim, model.shims[0])


_home_process = os.getpid()


def limit_threads_in_children() -> None:
    """Use one torch thread in worker processes.

    After a fork, torch's pool of OpenMP threads is gone and the first parallel loop
    waits for it forever; and with one worker a core, more threads only get in each
    other's way. OMP_NUM_THREADS is respected where the process was not forked.
    """
    global _home_process
    if os.getpid() == _home_process:
        return
    torch.set_num_threads(1)
    _home_process = os.getpid()


if multiprocessing.parent_process() is not None and "OMP_NUM_THREADS" not in os.environ:
    # A spawned worker imports this module anew: make its first call set the limit.
    _home_process = -1
