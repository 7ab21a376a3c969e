"""What a call of torch's recurrent kernels costs, for the plan of segments.

    python -m benchmarks.segments
    python -m benchmarks.segments --steps

Times one kernel on one core over rectangles of many shapes, and fits: seconds = a + b * time
steps + c * time steps * rows. Prints a / c and b / c, the cost of a call and of a step in
steps of one row, times the hidden size: the constants of `spacy_rnn/engine/plan.py`. With
--steps, what a single step of some rows costs, in numpy and in torch.
"""

import argparse
import itertools
import time
from typing import Callable, List, Tuple

import numpy
import torch

from spacy_rnn.engine.cells import NumpyCells, step
from spacy_rnn.engine.kernels import run_kernel
from spacy_rnn.engine.ragged_rnn import CELLS, RaggedRNN

from .timing import markdown

ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
STEPS = (8, 16, 64)


def seconds(run: Callable[[], object], at_least: float = 0.03) -> float:
    """Mean over repeated calls, after two that warm up."""
    run(), run()
    count, start = 0, time.perf_counter()
    while time.perf_counter() < start + at_least:
        run()
        count += 1
    return (time.perf_counter() - start) / count


def make_call(cell: str, size: int, steps: int, rows: int, training: bool) -> Callable[[], object]:
    layer = CELLS[cell](size, size)
    block = torch.randn(steps, rows, size, requires_grad=training)
    state = tuple(torch.zeros(1, rows, size) for _ in range(2))
    grad = torch.ones(steps, rows, size)
    weights = layer.all_weights[0]

    def run() -> object:
        with torch.set_grad_enabled(training):
            output, _ = run_kernel(layer, block, state, weights)
            return torch.autograd.grad([output], [block, *weights], [grad]) if training else None

    return run


def fit(cell: str, size: int, training: bool) -> Tuple[numpy.ndarray, float]:
    """RETURNS: a, b and c, and the mean relative error of what they predict."""
    shapes = list(itertools.product(STEPS, ROWS))
    found = numpy.asarray([seconds(make_call(cell, size, *shape, training)) for shape in shapes])
    columns = numpy.asarray([(1, steps, steps * rows) for steps, rows in shapes]) / found[:, None]
    factors, *_ = numpy.linalg.lstsq(columns, numpy.ones(len(found)), rcond=None)
    return factors, float(numpy.abs(columns @ factors - 1).mean())


def steps_table(cells: List[str], sizes: List[int]) -> str:
    """Microseconds of one step, and rows x numbers in the weights."""
    lines: List[Tuple[str, ...]] = []
    for cell, size, rows in itertools.product(cells, sizes, ROWS):
        rnn = RaggedRNN(size, size, cell=cell).eval()
        fast = NumpyCells(rnn)
        data = torch.randn(rows, size)
        parts = tuple(torch.randn(1, rows, size) for _ in range(2 if cell == "lstm" else 1))
        states = [tuple(part[0].numpy() for part in parts)]
        state = (parts[0], parts[1]) if cell == "lstm" else parts[0]
        with torch.no_grad():
            ours = seconds(lambda: fast.step(data.numpy(), states))  # noqa: B023
            torchs = seconds(lambda: step(rnn, data, state))  # noqa: B023
        numbers = rows * fast.layers[0].weights.size
        found = (f"{ours * 1e6:,.0f}", f"{torchs * 1e6:,.0f}", f"{torchs / ours:.1f}x")
        lines.append((cell, str(size), str(rows), f"{numbers:,}", *found))
    header = ("cell", "hidden size", "rows", "rows x weights", "µs, numpy", "µs, torch", "")
    return markdown(header, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[16, 64, 128, 256])
    parser.add_argument("--steps", action="store_true", help="time single steps instead")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.steps:
        print(steps_table(args.cells, args.sizes))
        return
    lines: List[Tuple[str, ...]] = []
    for cell, size, training in itertools.product(args.cells, args.sizes, (False, True)):
        (a, b, c), error = fit(cell, size, training)
        mode = "training" if training else "inference"
        costs = (f"{a * 1e6:,.0f}", f"{b * 1e6:,.1f}", f"{c * 1e6:,.2f}")
        scaled = (f"{size * a / c:,.0f}", f"{size * b / c:,.0f}")
        lines.append((cell, str(size), mode, *costs, *scaled, f"{error:.0%}"))
    header = ("cell", "hidden size", "", "µs a call", "µs a step", "µs a row's step")
    print(markdown((*header, "call x size", "step x size", "mean error"), lines))


if __name__ == "__main__":
    main()
