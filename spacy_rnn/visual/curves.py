"""Training curves: loss and scores by step."""

import math
from typing import Any, Dict, List, Optional, Sequence

from .figures import COLORS, MARKERS, Draw, name_of

SIZE = (9.0, 3.4)
Row = Dict[str, Any]


def draw_curves(rows: Sequence[Row], headings: Dict[str, str]) -> Draw:
    """What draws curves of training on a figure: losses on the left, scores in percent on the
    right. What was measured on training texts is a full line, on dev texts a dashed one.

    rows: What was measured at each evaluation, as "training_curves.jsonl" has it.
    headings: Names of the scores to draw, and what to call them.
    """

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        pipes = list(rows[-1]["loss"])
        _draw_lines(left, rows, {"train": "loss", "dev": "dev_loss"}, dict(zip(pipes, pipes)), 1.0)
        left.set(title="Loss", xlabel="step")
        left.set_ylim(bottom=0)
        _draw_lines(right, rows, {"train": "train", "dev": "dev"}, headings, 100.0)
        alone = len(headings) == 1
        right.set(title=f"{next(iter(headings.values()))}, %" if alone else "Scores, %")
        best = best_of(rows)
        right.set(xlabel=f"step; dotted: the best one, {best['step']}")
        for axes in (left, right):
            axes.axvline(best["step"], color=COLORS[2], linestyle=":")
            axes.grid(axis="y")
            axes.margins(x=0.02)
            axes.xaxis.get_major_locator().set_params(integer=True)
            if axes.get_legend_handles_labels()[0]:
                axes.legend()

    return draw


def best_of(rows: Sequence[Row]) -> Row:
    """The evaluation whose pipeline spaCy keeps: the last of equal scores."""
    best = max(row["score"] for row in rows)
    return [row for row in rows if row["score"] == best][-1]


def _draw_lines(
    axes: Any, rows: Sequence[Row], kinds: Dict[str, str], names: Dict[str, str], scale: float
) -> None:
    """kinds: From what texts are called to the key of what was measured on them."""
    steps = [row["step"] for row in rows]
    for place, (key, heading) in enumerate(names.items()):
        for kind, values_key in kinds.items():
            values = [_scaled(row[values_key].get(key), scale) for row in rows]
            if all(map(math.isnan, values)):
                continue
            # One thing has two colours, several things have one each.
            color = (kind == "dev") if len(names) == 1 else place
            axes.plot(
                steps,
                values,
                color=COLORS[color % len(COLORS)],
                linestyle="--" if kind == "dev" else "-",
                marker=MARKERS[place % len(MARKERS)],
                markersize=3,
                label=kind if len(names) == 1 else f"{name_of(heading)}, {kind}",
            )


def _scaled(value: Optional[float], scale: float) -> float:
    return math.nan if value is None else scale * value


def values_of(scores: Dict[str, Any], names: List[str]) -> Dict[str, Optional[float]]:
    """Scores by name, None where there is no finite number."""
    found = {name: scores.get(name) for name in names}
    return {
        name: float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
        for name, value in found.items()
    }
