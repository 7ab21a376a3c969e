"""Draw what padding does to a net that reads backwards.

    python -m docs.padding

The numbers are those of an LSTM with random weights: how far its state after each word is from
the state without padding, as a share of the length of that.
"""

from pathlib import Path
from typing import Iterator, List

import torch
from torch import nn

PICTURE = Path(__file__).parent / "padding.svg"
WORDS = ["a", "warm", "and", "funny", "film"]
PADS = 4
WIDTH, HEIGHT, CELL, GAP, LEFT = 760, 270, 70, 10, 20
INK, GREY, RIGHT, WRONG = "#24292f", "#8c959f", (218, 251, 225), (255, 129, 130)


def errors() -> List[float]:
    """How far the state after each word is off, from the first word to the last."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        lstm = nn.LSTM(16, 32, dtype=torch.float64)
        words, pad = torch.randn(len(WORDS), 16).double(), torch.randn(1, 16).double()
        # Read backwards: what is read first stands first.
        exact, _ = lstm(words.flip(0))
        padded, _ = lstm(torch.cat((pad.expand(PADS, -1), words.flip(0))))
        off = (padded[PADS:] - exact).norm(dim=1) / exact.norm(dim=1)
    return off.flip(0).tolist()


def draw() -> str:
    """The picture, as SVG."""
    off = errors()
    parts = [
        *row(50, "Padded to nine: begins in the padding", off, PADS),
        *row(190, "spacy-rnn: begins at the last word", [0.0] * len(WORDS), 0),
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="15" '
        f'fill="{INK}" role="img">'
    )
    title = "<title>How far the states of a backward LSTM are off, with padding and without</title>"
    paper = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    return "\n".join([head, title, paper, *parts, "</svg>", ""])


def row(top: int, label: str, off: List[float], pads: int) -> Iterator[str]:
    """A row of cells, one for each word and each pad, with an arrow above them."""
    last = LEFT + (len(off) + pads) * (CELL + GAP) - GAP
    yield f'<text x="{LEFT}" y="{top - 20}" font-weight="bold">{label}</text>'
    yield (
        f'<path d="M{last} {top - 7} H{LEFT} m7 -5 l-7 5 l7 5" fill="none" '
        f'stroke="{INK}" stroke-width="1.5"/>'
    )
    for i in range(len(off) + pads):
        if i < len(off):
            yield from cell(i, top, WORDS[i], color(off[i]), f"{off[i]:.2f}")
        else:
            yield from cell(i, top, "pad", "#eaeef2", "")


def cell(place: int, top: int, word: str, fill: str, below: str) -> Iterator[str]:
    """A word in a box, and a number below it."""
    x = LEFT + place * (CELL + GAP)
    middle, ink = x + CELL // 2, GREY if word == "pad" else INK
    yield f'<rect x="{x}" y="{top}" width="{CELL}" height="44" rx="6" fill="{fill}"/>'
    yield f'<text x="{middle}" y="{top + 28}" text-anchor="middle" fill="{ink}">{word}</text>'
    if below:
        yield f'<text x="{middle}" y="{top + 66}" text-anchor="middle">{below}</text>'


def color(off: float) -> str:
    """From green, for a state that is right, to red."""
    share = min(1.0, off)
    mixed = (round(a + share * (b - a)) for a, b in zip(RIGHT, WRONG))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def main() -> None:
    PICTURE.write_text(draw(), encoding="utf8")


if __name__ == "__main__":
    main()
