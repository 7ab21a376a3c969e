"""The recurrent engine against torch's own ways to read rows of different lengths.

    python -m benchmarks.ragged_rnn

Three batches of 64 rows with the lengths of film reviews; input 96, one bidirectional LSTM
of 128 in each direction. Medians over the batches, and the range of the ratio.
"""

import argparse
import statistics
from typing import Callable, Dict, List

import spacy
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from spacy_rnn.modules.ragged_rnn import RaggedRNN

from .timing import markdown, rates_in_turns, reviews

INPUT, HIDDEN = 96, 128
OURS, HALF, PACKED = "RaggedRNN", "RaggedRNN, bfloat16", "nn.LSTM, pack_padded_sequence"
PADDED, EQUAL = "nn.LSTM, padded (not exact)", "nn.LSTM, equal lengths"


def review_lengths(count: int) -> List[int]:
    """Tokens of film reviews."""
    nlp = spacy.blank("en")
    return [len(nlp.make_doc(record.text)) for record in reviews(count)]


def run_packed(lstm: nn.LSTM, padded: Tensor, lengths: Tensor) -> Tensor:
    """The way that torch's documentation shows for rows of different lengths."""
    packed = pack_padded_sequence(padded, lengths, enforce_sorted=False)
    return pad_packed_sequence(lstm(packed)[0])[0]


def make_runs(rows: List[Tensor], training: bool) -> Dict[str, Callable[[], int]]:
    torch.manual_seed(0)
    lstm = nn.LSTM(INPUT, HIDDEN, bidirectional=True).train(training)
    settings = {"bidirectional": True}
    ours = RaggedRNN(INPUT, HIDDEN, **settings).train(training)
    half = RaggedRNN(INPUT, HIDDEN, precision="bfloat16", **settings).train(training)
    lengths = torch.tensor([len(row) for row in rows])
    tokens = int(lengths.sum())
    mean = tokens // len(rows)
    # In training the rows come from embeddings, and want a gradient as well.
    flat = torch.cat(rows).requires_grad_(training)
    padded = pad_sequence(rows).requires_grad_(training)
    equal = torch.randn(mean, len(rows), INPUT).requires_grad_(training)

    def timed(forward: Callable[[], Tensor], done: int) -> Callable[[], int]:
        def run() -> int:
            with torch.set_grad_enabled(training):
                output = forward()
                if training:
                    output.sum().backward()
            return done

        return run

    return {
        OURS: timed(lambda: ours(flat, lengths)[0], tokens),
        HALF: timed(lambda: half(flat, lengths)[0], tokens),
        PACKED: timed(lambda: run_packed(lstm, padded, lengths), tokens),
        PADDED: timed(lambda: lstm(padded)[0], tokens),
        EQUAL: timed(lambda: lstm(equal)[0], mean * len(rows)),
    }


def measure(batches: List[List[Tensor]], rounds: int, training: bool) -> Dict[str, List[float]]:
    """Rate of each way on each batch."""
    rates: Dict[str, List[float]] = {}
    for rows in batches:
        for name, found in rates_in_turns(make_runs(rows, training), rounds=rounds).items():
            rates.setdefault(name, []).append(statistics.median(found))
    return rates


def cells(rates: Dict[str, List[float]], name: str) -> List[str]:
    """Median rate, and median and range of the ratio to the packed way."""
    ratios = [a / b for a, b in zip(rates[name], rates[PACKED])]
    spread = f"{min(ratios):.1f}-{max(ratios):.1f}"
    rate = f"{statistics.median(rates[name]):,.0f}"
    return [rate, f"{statistics.median(ratios):.1f}x ({spread})"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--batches", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    lengths = iter(review_lengths(args.rows * args.batches))
    batches = [
        [torch.randn(next(lengths), INPUT) for _ in range(args.rows)] for _ in range(args.batches)
    ]
    tables = [measure(batches, args.rounds, training) for training in (False, True)]
    lines = [(name, *cells(tables[0], name), *cells(tables[1], name)) for name in tables[0]]
    header = ("way", "inference, tokens/s", "by packed", "training, tokens/s", "by packed")
    print(markdown(header, lines))


if __name__ == "__main__":
    main()
