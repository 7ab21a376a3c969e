"""Draw where the planner cuts a batch of texts of different lengths.

    python -m docs.segments

The segments are those that `spacy_rnn/engine/plan.py` finds for an LSTM of 64, in prediction.
"""

from pathlib import Path
from typing import Iterator, List, Tuple

from spacy_rnn.engine.plan import Segment, costs_of, plan_segments

FOLDER = Path(__file__).parent / "images"
# Tokens of 24 texts, longest first: a few long ones and many short ones, as reviews are.
LENGTHS = [780, 560, 430, 372, 330, 296, 270, 248, 228, 212, 198, 184]
LENGTHS += [172, 160, 150, 140, 130, 121, 112, 102, 90, 76, 58, 36]
HIDDEN = 64
WIDTH, LEFT, TOP, ROW = 760, 20, 46, 8
INK, TOKEN, WASTE, EDGE = "#24292f", "#79b8ff", "#ffd7d5", "#0a3069"


def planned() -> List[Segment]:
    return plan_segments(LENGTHS, costs_of("LSTM", HIDDEN, training=False))


def padded() -> List[Segment]:
    """One rectangle as long as the longest text, as padding makes it."""
    return [Segment(0, LENGTHS[0], len(LENGTHS))]


def packed() -> List[Segment]:
    """A rectangle for each time step, as packing makes it."""
    return [
        Segment(time, 1, sum(length > time for length in LENGTHS)) for time in range(LENGTHS[0])
    ]


def computed(segments: List[Segment]) -> int:
    """Time steps of rows that are computed, those of rows that have ended among them."""
    return sum(segment.steps * segment.rows for segment in segments)


def said(name: str, segments: List[Segment]) -> str:
    """What the line above a picture says."""
    calls = "1 call" if len(segments) == 1 else f"{len(segments)} calls"
    return f"{name}: {computed(segments):,} steps for {sum(LENGTHS):,} tokens, {calls}"


def draw(name: str, segments: List[Segment]) -> str:
    """A picture of the plane of time steps and texts, as SVG. name: What its title begins with."""
    height = TOP + ROW * max(segment.rows for segment in segments) + 16
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="15" '
        f'fill="{INK}" role="img">'
    )
    title = said(name, segments)
    parts = [
        head,
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="26" font-weight="bold">{title}</text>',
        *(box(segment, WASTE, "none") for segment in segments),
        *tokens(),
        *(box(segment, "none", EDGE) for segment in segments),
        "</svg>",
        "",
    ]
    return "\n".join(parts)


def tokens() -> Iterator[str]:
    """The tokens of each text, as a bar."""
    for row, length in enumerate(LENGTHS):
        y = TOP + row * ROW
        yield (
            f'<rect x="{LEFT}" y="{y + 1}" width="{to_x(length) - LEFT}" height="{ROW - 2}" '
            f'fill="{TOKEN}"/>'
        )


def box(segment: Segment, fill: str, edge: str) -> str:
    start, end = to_x(segment.start), to_x(segment.start + segment.steps)
    return (
        f'<rect x="{start}" y="{TOP}" width="{round(end - start, 1)}" '
        f'height="{segment.rows * ROW}" fill="{fill}" stroke="{edge}" stroke-width="1.5"/>'
    )


def to_x(time: int) -> float:
    return round(LEFT + time * (WIDTH - 2 * LEFT) / (LENGTHS[0] + 40), 1)


def pictures() -> Iterator[Tuple[Path, str]]:
    """The files, and what is in them."""
    yield FOLDER / "segments-padded.svg", draw("Padded", padded())
    yield FOLDER / "segments-planned.svg", draw("In segments", planned())


def main() -> None:
    for path, picture in pictures():
        path.write_text(picture, encoding="utf8")


if __name__ == "__main__":
    main()
