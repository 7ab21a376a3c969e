"""The recurrent engine against torch's own ways to read rows of different lengths.

    python -m benchmarks.rnn
    python -m benchmarks.rnn --cells lstm --batches 64 --figure rnn.png

Input 96, one bidirectional layer of 128 in each direction. Rows have the lengths of film
reviews, of the sentences of a treebank, or all the same. Real tokens per second, padding
not counted; "of limit" is the share of a dense matrix product of the same arithmetic, with
nothing recurrent about it. Then the time for one row of growing length, and for a growing
number of rows, which should both grow in proportion.
"""

import argparse
import random
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import spacy
import torch
from thinc.api import PyTorchLSTM
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from spacy_rnn.engine.ragged_rnn import CELLS, RaggedRNN
from spacy_rnn.engine.threads import one_thread

from .tagger import treebank
from .timing import markdown, rates_in_turns, reviews

INPUT, HIDDEN = 96, 128
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
OURS, HALF, LIMIT = "RaggedRNN", "RaggedRNN, bfloat16", "dense product (limit)"
PACKED, PADDED, EQUAL = "packed", "padded (not exact)", "equal lengths"
THINC = "thinc's PyTorchLSTM (not exact)"
# What takes torch minutes is left out: packed and padded rows of more tokens than this.
MAX_SLOW = 40_000


def draw_lengths(kind: str, count: int) -> List[int]:
    """Tokens of so many rows."""
    if kind == "equal":
        return [240] * count
    if kind == "reviews":
        nlp = spacy.blank("en")
        found = [len(nlp.make_doc(record.text)) for record in reviews(count)]
    else:
        found = [len(sentence.words) for sentence in treebank()[1]]
        random.Random(0).shuffle(found)
    return [found[i % len(found)] for i in range(count)]


def run_packed(rnn: nn.RNNBase, padded: Tensor, lengths: Tensor) -> Tensor:
    """The way that torch's documentation shows for rows of different lengths."""
    packed = pack_padded_sequence(padded, lengths, enforce_sorted=False)
    return pad_packed_sequence(rnn(packed)[0])[0]


def make_ways(cell: str, lengths: List[int], training: bool) -> Dict[str, Tuple[Callable, int]]:
    """For each way a function, and how many tokens it reads."""
    torch.manual_seed(0)
    settings = {"cell": cell, "bidirectional": True}
    ours = RaggedRNN(INPUT, HIDDEN, **settings).train(training)
    half = RaggedRNN(INPUT, HIDDEN, precision="bfloat16", **settings).train(training)
    torchs = CELLS[cell](INPUT, HIDDEN, bidirectional=True).train(training)
    rows = [torch.randn(length, INPUT) for length in lengths]
    counts = torch.tensor(lengths)
    tokens = sum(lengths)
    mean = max(1, tokens // len(lengths))
    # In training the rows come from embeddings, and want a gradient as well.
    flat = torch.cat(rows).requires_grad_(training)
    padded = pad_sequence(rows).requires_grad_(training)
    equal = torch.randn(mean, len(lengths), INPUT).requires_grad_(training)
    ways: Dict[str, Tuple[Callable, int]] = {
        OURS: (lambda: ours(flat, counts)[0], tokens),
        HALF: (lambda: half(flat, counts)[0], tokens),
        EQUAL: (lambda: torchs(equal)[0], mean * len(lengths)),
        LIMIT: (dense_product(cell, tokens, training), tokens),
    }
    if tokens <= MAX_SLOW:
        ways[PACKED] = (lambda: run_packed(torchs, padded, counts), tokens)
        ways[PADDED] = (lambda: torchs(padded)[0], tokens)
    if cell == "lstm" and not training and tokens <= MAX_SLOW:
        ways[THINC] = (thinc_lstm(rows), tokens)
    return ways


def dense_product(cell: str, tokens: int, training: bool) -> Callable[[], Tensor]:
    """The multiplications of the recurrence, as one product for each direction."""
    size = GATES[cell] * HIDDEN
    data = torch.randn(tokens, INPUT + HIDDEN, requires_grad=training)
    weights = torch.randn(2, INPUT + HIDDEN, size, requires_grad=training)
    return lambda: (data @ weights[0]) + (data @ weights[1])


def thinc_lstm(rows: List[Tensor]) -> Callable[[], Tensor]:
    model = PyTorchLSTM(2 * HIDDEN, INPUT, bi=True)
    arrays: Any = [row.numpy() for row in rows]
    from thinc.api import with_padded

    wrapped = with_padded(model).initialize(X=arrays[:2])
    return lambda: wrapped.predict(arrays)


def timed(way: Callable, training: bool, threads: Callable = nullcontext) -> Callable[[], None]:
    def run() -> None:
        with threads(), torch.set_grad_enabled(training):
            output = way()
            if training:
                output.sum().backward()

    return run


def measure(cell: str, lengths: List[int], training: bool, rounds: int) -> Dict[str, float]:
    """Tokens per second of each way."""
    ways = make_ways(cell, lengths, training)
    runs = {}
    for name, (way, tokens) in ways.items():
        # As our layer runs it.
        threads = one_thread if name in (OURS, HALF) else nullcontext
        runs[name] = counted(timed(way, training, threads), tokens)
    rates = rates_in_turns(runs, rounds=rounds)
    return {name: statistics.median(found) for name, found in rates.items()}


def counted(run: Callable[[], None], tokens: int) -> Callable[[], int]:
    """Repeat what is too short to be timed."""
    repeats = max(1, 10_000 // tokens)

    def repeat() -> int:
        for _ in range(repeats):
            run()
        return repeats * tokens

    return repeat


def table(args: argparse.Namespace) -> str:
    lines = []
    for cell in args.cells:
        for kind in ("reviews", "sentences", "equal"):
            for rows in args.batches:
                for training in (False, True):
                    lengths = draw_lengths(kind, rows)
                    found = measure(cell, lengths, training, args.rounds)
                    mode = "training" if training else "inference"
                    lines.append((cell, kind, str(rows), mode, *cells_of(found)))
                    print(" ".join(lines[-1]), file=sys.stderr)
    header = (
        *("cell", "lengths", "rows", "", "RaggedRNN, tokens/s", "by packed", "by padded"),
        *("by thinc", "of equal lengths", "of dense product", "bfloat16"),
    )
    return markdown(header, lines)


def cells_of(found: Dict[str, float]) -> List[str]:
    ours = found[OURS]

    def by(name: str) -> str:
        return f"{ours / found[name]:.1f}x" if name in found else "-"

    return [
        f"{ours:,.0f}",
        by(PACKED),
        by(PADDED),
        by(THINC),
        f"{ours / found[EQUAL]:.2f}",
        f"{ours / found[LIMIT]:.2f}",
        f"{found[HALF] / ours:.1f}x",
    ]


def seconds_for(lengths: List[int]) -> float:
    """For one pass in inference, the best of three."""
    run = timed(make_pass(lengths), training=False)
    found = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def make_pass(lengths: List[int]) -> Callable[[], Tensor]:
    rnn = RaggedRNN(INPUT, HIDDEN, bidirectional=True).eval()
    counts, flat = torch.tensor(lengths), torch.randn(sum(lengths), INPUT)
    return lambda: rnn(flat, counts)[0]


def scaling() -> Dict[str, List[Tuple[int, float]]]:
    """Tokens and seconds, for one row of growing length and for more and more rows."""
    one = [(size, seconds_for([size])) for size in (100, 1_000, 10_000, 100_000, 1_000_000)]
    many = []
    for count in (16, 64, 256, 1024, 2048):
        lengths = draw_lengths("reviews", count)
        many.append((sum(lengths), seconds_for(lengths)))
    return {"one row": one, "rows like reviews": many}


def draw(found: Dict[str, List[Tuple[int, float]]], path: Path) -> None:
    """Cost against tokens, both on logarithmic scales: proportion is a line of slope 1."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name, points in found.items():
        tokens, seconds = zip(*points)
        axes.loglog(tokens, seconds, marker="o", label=name)
    first = found["one row"][-1]
    ends = [100, first[0]]
    axes.loglog(ends, [first[1] * t / first[0] for t in ends], "k:", label="in proportion")
    axes.set(xlabel="tokens", ylabel="seconds for a pass")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main(argv: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16, 64, 256, 1024])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--figure", type=Path, help="where to draw how cost grows")
    args = parser.parse_args(argv)
    print(table(args))
    found = scaling()
    for name, points in found.items():
        print(f"\n{name}: " + ", ".join(f"{t:,} in {s:.4f} s" for t, s in points))
    if args.figure:
        draw(found, args.figure)


if __name__ == "__main__":
    main()
