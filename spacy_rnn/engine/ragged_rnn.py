"""A recurrent network over rows of any length, exact and without padding to the longest."""

import warnings
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union, cast

import numpy
import torch
from torch import Tensor, nn

from ..errors import Errors, Warnings
from .dropout import locked_dropout
from .kernels import Tensors
from .lanes import LaneLayout
from .layout import PackedLayout, SingleLayout, SortedLayout
from .plan import MAX_STEPS, reads_apart, reads_packed, reads_threaded
from .threads import available_threads, one_thread

State = Union[Tensor, Tuple[Tensor, Tensor]]

CELLS: Dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
NONLINEARITIES = ("tanh", "relu")
PRECISIONS = ("float32", "bfloat16")


class RaggedRNN(nn.Module):
    """Recurrent layers over rows of any length: RNN, LSTM or GRU.

    A row's result depends on that row alone. On the CPU the rows are sorted and the time
    axis is cut near where rows end, so that each segment is a dense rectangle for torch's
    fused kernel, and the state of the rows that go on is carried over; the reverse
    direction does the same on rows reversed within their own length. Directions, and
    groups of rows where there are more threads, run side by side. A single row goes to the
    kernel as it is. On every other device the rows are packed, which is what cuDNN wants.

    input_size, hidden_size: Widths of the input, and of one direction's output.
    cell: "rnn", "lstm" or "gru".
    nonlinearity: "tanh" or "relu", for cell "rnn" only.
    num_layers, bidirectional, bias: As in `torch.nn.LSTM`.
    dropout: Share of features dropped between layers, the same at each step of a row.
    precision: "float32", or "bfloat16" to compute the recurrence in half precision
        where the hardware does that natively; weights and outputs stay float32.
    RAISES: ValueError for an argument outside of what is listed here.
    """

    # Set this to pack the rows on the CPU as well.
    packed = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        cell: str = "lstm",
        nonlinearity: str = "tanh",
        num_layers: int = 1,
        bidirectional: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
        precision: str = "float32",
    ):
        super().__init__()
        check_settings(
            input_size=input_size,
            hidden_size=hidden_size,
            cell=cell,
            nonlinearity=nonlinearity,
            num_layers=num_layers,
            precision=precision,
        )
        self.cell = cell
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.precision = precision
        self._warned = False
        extra = {"nonlinearity": nonlinearity} if cell == "rnn" else {}
        width = hidden_size * self.num_directions
        self.layers = nn.ModuleList(
            CELLS[cell](
                input_size if layer == 0 else width,
                hidden_size,
                bias=bias,
                bidirectional=bidirectional,
                **extra,
            )
            for layer in range(num_layers)
        )
        # torch takes long to find a module's parts.
        self._in_order = tuple(cast(Sequence[nn.RNNBase], self.layers))

    @property
    def num_directions(self) -> int:
        return 2 if self.bidirectional else 1

    def forward(
        self,
        data: Tensor,
        lengths: Tensor,
        state: Optional[State] = None,
        *,
        return_state: bool = False,
    ) -> Tuple[Tensor, Optional[State]]:
        """Run all layers over all rows.

        data: The rows, one after the other, of shape (tokens, input_size).
        lengths: Number of tokens of each row, of shape (rows,), on the CPU. Zero is legal.
        state: The state to start from, zeros if not given: h, or (h, c) for an LSTM,
            each of shape (num_layers * directions, rows, hidden_size), as in torch.
        return_state: Also compute each row's final state, which makes more segments.
        RETURNS: Output of shape (tokens, directions * hidden_size), and the final
            state in the form of `state`, or None where it was not asked for.
        RAISES: ValueError for data, lengths or a state that do not fit.
        """
        self.check_width(data)
        counts = lengths.tolist()
        if counts and min(counts) < 0:
            found, expected = min(counts), "at least 0"
            raise ValueError(Errors.R002.format(name="a length", value=found, expected=expected))
        # Python's `len` of a tensor takes longer than this.
        tokens = data.shape[0]
        if sum(counts) != tokens:
            raise ValueError(Errors.R003.format(total=sum(counts), found=tokens))
        states, finals = self.split_state(state, len(counts), data), []
        with one_thread():
            layout = self._layout(counts, return_state, data)
            for i, layer in enumerate(self._in_order):
                if i > 0:
                    data = locked_dropout(data, lengths, self.dropout, self.training)
                data, final = layout.run(layer, data, states[i])
                finals.append(final)
        if not return_state:
            return data, None
        return data, join_state([torch.cat(parts) for parts in zip(*finals)])

    def _layout(
        self, counts: List[int], return_state: bool, data: Tensor
    ) -> Union[SingleLayout, SortedLayout]:
        first, threads, tokens = self._in_order[0], available_threads(), data.shape[0]
        precision, size = self.precision_for(data), tokens * self.hidden_size
        packed = self.packed or not data.is_cpu
        if not packed and len(counts) - counts.count(0) == 1:
            apart = self.bidirectional and reads_apart(first.mode, size, threads)
            if not apart and tokens <= MAX_STEPS:
                wide = reads_threaded(first.mode, tokens, self.hidden_size)
                threaded = wide and not self.bidirectional
                return SingleLayout(counts.index(tokens), len(counts), precision, threaded)
        elif not packed:
            training = torch.is_grad_enabled()
            packed = reads_packed(first.mode, size, self.num_directions, threads, training)
        args = numpy.asarray(counts, "int64"), data.device, precision, return_state
        return PackedLayout(*args) if packed else LaneLayout(*args, layer=first)

    def check_width(self, data: Union[Tensor, numpy.ndarray]) -> None:
        """RAISES: ValueError unless the data are of shape (tokens, input_size)."""
        if data.ndim != 2 or data.shape[1] != self.input_size:
            raise ValueError(Errors.R006.format(width=self.input_size, found=tuple(data.shape)))

    def precision_for(self, data: Tensor) -> torch.dtype:
        """What the recurrence is computed in: bfloat16 where that was asked for and the data's
        device computes it natively, else the data's own type."""
        if self.precision == "float32":
            return data.dtype
        if has_bfloat16(data.device):
            return torch.bfloat16
        if not self._warned:
            self._warned = True
            warnings.warn(Warnings.W001, stacklevel=2)
        return data.dtype

    def split_state(self, state: Optional[State], rows: int, like: Tensor) -> List[Tensors]:
        """The initial state of each layer: (h, c) for an LSTM, (h,) else."""
        count, layers = 2 if self.cell == "lstm" else 1, len(self._in_order)
        if state is None:
            zeros = like.new_zeros(self.num_directions, rows, self.hidden_size)
            return [(zeros,) * count] * layers
        parts = as_parts(state)
        shape = (self.num_directions * layers, rows, self.hidden_size)
        if len(parts) != count or any(tuple(part.shape) != shape for part in parts):
            found = [tuple(part.shape) for part in parts]
            raise ValueError(Errors.R004.format(count=count, shape=shape, found=found))
        return list(zip(*(part.split(self.num_directions) for part in parts)))


def check_settings(
    *, cell: str = "lstm", nonlinearity: str = "tanh", precision: str = "float32", **numbers: int
) -> None:
    """RAISES: ValueError for settings that a `RaggedRNN` cannot be built with.

    numbers: Its widths, and number of layers.
    """
    names: Tuple[Tuple[str, str, Any], ...] = (
        ("cell", cell, CELLS),
        ("nonlinearity", nonlinearity, NONLINEARITIES),
        ("precision", precision, PRECISIONS),
    )
    for name, value, allowed in names:
        if value not in allowed:
            raise ValueError(Errors.R001.format(name=name, value=value, allowed=tuple(allowed)))
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(Errors.R002.format(name=name, value=number, expected="at least 1"))


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device, and torch's kernels for it, compute bfloat16 natively."""
    if device.type == "cpu":
        # torch has no public name for it.
        supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
        return torch.backends.mkldnn.is_available() and bool(supported())
    # `torch.cuda.is_bf16_supported` says so where it is emulated as well.
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def as_parts(state: State) -> Tensors:
    """A state as a tuple: (h, c) for an LSTM, (h,) else."""
    return state if isinstance(state, tuple) else (state,)


def join_state(parts: List[Tensor]) -> State:
    """The state as a caller has it: h, or (h, c) of an LSTM."""
    return (parts[0], parts[1]) if len(parts) == 2 else parts[0]
