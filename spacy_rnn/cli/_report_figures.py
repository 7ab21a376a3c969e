"""The figures of `spacy-rnn report`."""

from typing import Any, Counter, List, Sequence, Tuple

from ..training.calibration import Bin
from ..visual.colors import STRONGEST
from ..visual.figures import COLORS, name_of, svg_of
from ._report_scores import Group

BLUE, ORANGE, GREY = COLORS[:3]
# Labels in a matrix at most, and those up to which numbers are readable.
MOST_LABELS, MOST_NUMBERS = 30, 20
# Inches of a cell, and of the names beside it.
CELL, NAMES = 0.34, 2.0


def draw_confusions(
    confusions: "Counter[Any]", labels: Sequence[str], *, has_none: bool = False
) -> str:
    """How often a label was found where another was right: a row for each right one, the stronger
    coloured the larger the share of the row.

    labels: Of rows and columns. has_none: Whether there is a column of answers that are "".
    """
    columns = [*labels, ""] if has_none else list(labels)
    totals = {gold: sum(confusions[gold, found] for found in columns) for gold in labels}

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        names = [name_of(label) or "(none)" for label in columns]
        _frame(axes, names, names[: len(labels)])
        axes.set(xlabel="found", ylabel="right")
        axes.xaxis.set_label_position("top")
        for y, gold in enumerate(labels):
            for x, found in enumerate(columns):
                count = confusions[gold, found]
                if count:
                    color = BLUE if gold == found else ORANGE
                    numbered = len(labels) <= MOST_NUMBERS
                    _cell(axes, x, y, color, count / totals[gold], count if numbered else None)

    size = (NAMES + CELL * len(columns), NAMES + CELL * len(labels))
    return svg_of(draw, size, "Confusion matrix: right labels in rows, found in columns")


def draw_yes_or_no(rows: Sequence[Tuple[str, Sequence[int]]]) -> str:
    """How often labels that do not exclude each other were found and missed.

    rows: Labels, with how often each was rightly found, missed, wrongly found, and rightly not
        found.
    """
    kinds = ("found", "missed", "wrongly found", "rightly not")

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        _frame(axes, kinds, [name_of(label) for label, _ in rows])
        for y, (_, counts) in enumerate(rows):
            for x, count in enumerate(counts):
                if count:
                    color = ORANGE if x in (1, 2) else BLUE
                    _cell(axes, x, y, color, count / sum(counts), count)

    size = (NAMES + 2.5 * CELL * len(kinds), NAMES / 1.3 + CELL * len(rows))
    return svg_of(draw, size, "How often each label was found and missed")


def _frame(axes: Any, columns: Sequence[str], rows: Sequence[str]) -> None:
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _cell(axes: Any, x: int, y: int, color: str, share: float, count: Any) -> None:
    from matplotlib.patches import Rectangle

    # The root, so that rare mistakes are seen, too.
    alpha = STRONGEST * share**0.5
    axes.add_patch(Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, color=color, alpha=alpha, lw=0))
    if count is not None:
        axes.text(x, y, f"{count:,}", ha="center", va="center", fontsize=7)


def draw_calibration(bins: Sequence[Bin], error: float) -> str:
    """How often answers came true, by their probability, and how many there are."""

    def draw(figure: Any) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], ":", color=GREY, label="as they should")
        probs = [part.prob for part in bins]
        above.plot(probs, [part.true for part in bins], "o-", color=BLUE, label="came true")
        above.set(title=f"Expected calibration error: {100 * error:.2f} %")
        above.set(ylabel="share that came true", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        above.legend()
        above.grid()
        width = 0.9 / 15
        below.bar(probs, [part.size for part in bins], width=width, color=BLUE)
        below.set(xlabel="probability", ylabel="answers")

    return svg_of(draw, (4.4, 4.4), "Share of answers that came true, by their probability")


def draw_lengths(groups: Sequence[Group]) -> str:
    """The share of right answers, by length of texts."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        places: List[int] = list(range(len(groups)))
        shares = [100 * group.right for group in groups]
        below = [100 * max(group.right - group.low, 0) for group in groups]
        above = [100 * max(group.high - group.right, 0) for group in groups]
        line = {"color": BLUE, "capsize": 3, "fmt": "o-"}
        axes.errorbar(places, shares, yerr=(below, above), **line)
        axes.set_xticks(places, [_range_of(group) for group in groups], rotation=30, ha="right")
        axes.set(xlabel="tokens", ylabel="right, %", title="Bars: 95 % intervals")
        axes.grid(axis="y")

    return svg_of(draw, (4.4, 3.6), "Share of right answers, by length of texts")


def _range_of(group: Group) -> str:
    same = group.shortest == group.longest
    return f"{group.shortest}" if same else f"{group.shortest}\N{EN DASH}{group.longest}"
