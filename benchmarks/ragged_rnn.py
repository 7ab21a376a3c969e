"""The recurrent engine against torch's own ways to read rows of different lengths.

    python -m benchmarks.ragged_rnn

64 rows with the lengths of film reviews, input 96, one bidirectional LSTM of 128 each.
"""

import argparse
from typing import Callable, Dict, List

import numpy
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from spacy_rnn.modules.ragged_rnn import RaggedRNN

from .timing import markdown, median_ratio, rates_in_turns

INPUT, HIDDEN = 96, 128
OURS, HALF, PACKED = "RaggedRNN", "RaggedRNN, bfloat16", "nn.LSTM, pack_padded_sequence"
PADDED, EQUAL = "nn.LSTM, padded (not exact)", "nn.LSTM, equal lengths"


def review_lengths(rows: int, seed: int) -> List[int]:
    """Lengths as of film reviews: log-normal, 240 on average, 20 to 1,500."""
    drawn = numpy.random.default_rng(seed).lognormal(5.2, 0.75, rows)
    return numpy.clip(drawn, 20, 1500).astype("int64").tolist()


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    rows = [torch.randn(length, INPUT) for length in review_lengths(args.rows, 0)]
    rates, packed = {}, {}
    for training in (False, True):
        rates[training] = rates_in_turns(make_runs(rows, training), rounds=args.rounds)
        packed[training] = {n: median_ratio(rates[training], n, PACKED) for n in rates[training]}
    lines = [
        (
            name,
            *(
                cell
                for training in (False, True)
                for cell in (
                    f"{numpy.median(rates[training][name]):,.0f}",
                    f"{packed[training][name]:.1f}x",
                )
            ),
        )
        for name in rates[True]
    ]
    header = (
        "way",
        "inference, tokens/s",
        "against packed",
        "training, tokens/s",
        "against packed",
    )
    print(markdown(header, lines))


if __name__ == "__main__":
    main()
