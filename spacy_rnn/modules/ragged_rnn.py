"""A recurrent network over rows of any length, exact and without padding to the longest."""

import warnings
from typing import Callable, Dict, List, Optional, Tuple, Union, cast

import numpy
import torch
from torch import Tensor, nn

from ..errors import Errors, Warnings
from .dropout import locked_dropout
from .layout import Layout, PackedLayout
from .segment_layout import SegmentLayout
from .threads import one_thread

State = Union[Tensor, Tuple[Tensor, Tensor]]

CELLS: Dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
NONLINEARITIES = ("tanh", "relu")
PRECISIONS = ("float32", "bfloat16")


class RaggedRNN(nn.Module):
    """Recurrent layers over rows of any length: RNN, LSTM or GRU.

    A row's result depends on that row alone. On CPU the rows are sorted and the time
    axis is cut near where rows end, so that each segment is a dense rectangle for torch's
    fused kernel, and the state of the rows that go on is carried over; the reverse
    direction does the same on rows reversed within their own length. Directions, and
    groups of rows where there are more threads, run side by side. On CUDA the rows are
    packed, which is what cuDNN wants.

    input_size, hidden_size: Widths of the input, and of one direction's output.
    cell: "rnn", "lstm" or "gru".
    nonlinearity: "tanh" or "relu", for cell "rnn" only.
    num_layers, bidirectional, bias: As in `torch.nn.LSTM`.
    dropout: Share of features dropped between layers, the same at each step of a row.
    precision: "float32", or "bfloat16" to compute the recurrence in half precision
        where the hardware does that natively; weights and outputs stay float32.
    RAISES: ValueError for an argument outside of what is listed here.
    """

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
        _check("cell", cell, tuple(CELLS))
        _check("nonlinearity", nonlinearity, NONLINEARITIES)
        _check("precision", precision, PRECISIONS)
        if num_layers < 1:
            raise ValueError(
                Errors.R002.format(name="num_layers", value=num_layers, expected="at least 1")
            )
        self.cell = cell
        self.hidden_size = hidden_size
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.precision = _available(precision)
        self.packed = False
        extra = {"nonlinearity": nonlinearity} if cell == "rnn" else {}
        width = hidden_size * (2 if bidirectional else 1)
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

    @property
    def num_directions(self) -> int:
        return 2 if self.bidirectional else 1

    @one_thread()
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
        """
        if int(lengths.sum()) != len(data):
            raise ValueError(Errors.R003.format(total=int(lengths.sum()), found=len(data)))
        layers = cast(List[nn.RNNBase], self.layers)
        layout = self._layout(lengths.numpy(), return_state, data.device)
        precision = torch.bfloat16 if self.precision == "bfloat16" else data.dtype
        finals: List[Tuple[Tensor, ...]] = []
        for i, layer in enumerate(layers):
            if i > 0:
                data = locked_dropout(data, lengths.to(data.device), self.dropout, self.training)
            start = self.layer_state(state, i, len(lengths), data)
            data, final = layout.run(layer, data, start, precision)
            finals.append(final)
        if not return_state:
            return data, None
        joined = tuple(torch.cat(parts) for parts in zip(*finals))
        return data, (joined[0], joined[1]) if self.cell == "lstm" else joined[0]

    def _layout(self, lengths: numpy.ndarray, return_state: bool, device: torch.device) -> Layout:
        if self.packed or device.type == "cuda":
            return PackedLayout(lengths, return_state, device)
        return SegmentLayout(lengths, return_state, cast(nn.RNNBase, self.layers[0]))

    def layer_state(
        self, state: Optional[State], layer: int, rows: int, like: Tensor
    ) -> Tuple[Tensor, ...]:
        """The initial state of one layer as a tuple: (h, c) for an LSTM, (h,) else."""
        count = 2 if self.cell == "lstm" else 1
        n = self.num_directions
        if state is None:
            zeros = like.new_zeros(n, rows, self.hidden_size)
            return (zeros,) * count
        parts = state if isinstance(state, tuple) else (state,)
        shape = (n * len(self.layers), rows, self.hidden_size)
        if len(parts) != count or any(tuple(part.shape) != shape for part in parts):
            found = [tuple(part.shape) for part in parts]
            raise ValueError(Errors.R004.format(count=count, shape=shape, found=found))
        return tuple(part[layer * n : (layer + 1) * n] for part in parts)


def cpu_has_bfloat16() -> bool:
    """Whether this CPU, and torch's kernels for it, compute bfloat16 natively."""
    return torch.backends.mkldnn.is_available() and bool(
        torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def _available(precision: str) -> str:
    """The precision that this machine can compute in natively."""
    if precision == "bfloat16" and not torch.cuda.is_available():
        if not cpu_has_bfloat16():
            warnings.warn(Warnings.W001, stacklevel=3)
            return "float32"
    return precision


def _check(name: str, value: str, allowed: Tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(Errors.R001.format(name=name, value=value, allowed=allowed))
