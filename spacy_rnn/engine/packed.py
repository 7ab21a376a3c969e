"""Packed sequences, for every device but the CPU, and for few short rows."""

import numpy
import torch

from .kernels import computing_in, run_kernel, weights_of
from .layout import SortedLayout
from .transfer import to_device


class PackedLayout(SortedLayout):
    """All rows' first steps, then all second steps, and so on: what cuDNN wants."""

    def __init__(self, lengths: numpy.ndarray, return_state: bool, device: torch.device):
        super().__init__(lengths, return_state, device)
        if self.total == 0:
            return
        steps = numpy.arange(self.lengths[0])
        sizes = numpy.searchsorted(-self.lengths, -steps, side="left")
        rows = numpy.arange(sizes.sum()) - numpy.repeat(numpy.cumsum(sizes) - sizes, sizes)
        index = self.starts[rows] + numpy.repeat(steps, sizes)
        inverse = numpy.empty_like(index)
        inverse[index] = numpy.arange(len(index))
        self.sizes = torch.from_numpy(sizes)
        self.index, self.inverse = (
            to_device(torch.from_numpy(part), device) for part in (index, inverse)
        )

    def _run(self, layer, data, state, precision):
        # cuDNN wants the state in memory order; it is a slice of a larger one here.
        start = [part.contiguous() for part in state]
        packed = data.index_select(0, self.index)
        with computing_in(precision, data):
            output, final = run_kernel(layer, packed, start, weights_of(layer), sizes=self.sizes)
        found = output.index_select(0, self.inverse).to(data.dtype)
        return found, tuple(part.to(data.dtype) for part in final)
