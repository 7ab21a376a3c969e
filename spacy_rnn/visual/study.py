"""A search for settings: the scores of its trials, and what they depend on."""

import math
from typing import Any, Dict, List, Sequence

from .figures import COLORS, Draw, Size, name_of

Row = Dict[str, Any]
# Panels of settings beside each other.
COLUMNS = 4
# What a trial is drawn as.
MARKERS = {"complete": "o", "pruned": "x"}


def size_of(count: int) -> Size:
    """The size of a figure, by the number of settings."""
    return 11.0, 3.6 + 2.4 * _lines(count)


def draw_study(
    rows: Sequence[Row], names: List[str], importances: Dict[str, float], logs: Sequence[str]
) -> Draw:
    """What draws a search on a figure: above, the scores in percent in the order of trials, with
    the best one so far, and how much good scores depend on which setting; below, the scores by the
    value of each setting. Trials that were pruned are crosses at the best score until then; that of
    the config's own values is a square.

    rows: The trials, as "trials.jsonl" has them, with short names of settings.
    names: Of the settings. importances: By name, in shares of 1; empty if they are not known.
    logs: Names of settings whose values are drawn by their logarithm.
    """

    def draw(figure: Any) -> None:
        scored = [row for row in rows if row["score"] is not None and row["state"] in MARKERS]
        above, below = figure.subfigures(2, 1, height_ratios=[3.6, 2.4 * _lines(len(names))])
        left, right = above.subplots(1, 2, width_ratios=[3, 2])
        _draw_history(left, scored)
        _draw_importances(right, importances)
        panels = below.subplots(_lines(len(names)), COLUMNS, squeeze=False, sharey=True).flatten()
        for axes, name in zip(panels, names):
            _draw_setting(axes, scored, name, name in logs)
        for axes in panels[len(names) :]:
            axes.set_axis_off()
        for axes in panels[::COLUMNS]:
            axes.set_ylabel("score, %")

    return draw


def _lines(count: int) -> int:
    return math.ceil(count / COLUMNS)


def _draw_history(axes: Any, rows: Sequence[Row]) -> None:
    best, so_far = -math.inf, []
    for row in rows:
        best = max(best, row["score"] if row["state"] == "complete" else -math.inf)
        so_far.append(100 * best if math.isfinite(best) else math.nan)
    _draw_trials(axes, rows, [row["trial"] for row in rows], labels=True)
    axes.step([row["trial"] for row in rows], so_far, where="post", color=COLORS[1], label="best")
    own = [row for row in rows if row["own_values"]]
    if own:
        score = 100 * own[0]["score"]
        axes.axhline(score, color=COLORS[2], linestyle=":", label="the config's own values")
    axes.set(title="Score, %", xlabel="trial")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=4)


def _draw_importances(axes: Any, importances: Dict[str, float]) -> None:
    axes.set(title="What good scores depend on, %")
    if not importances:
        axes.set_axis_off()
        axes.text(0, 0.5, "Too few trials to say")
        return
    names = sorted(importances, key=lambda name: importances[name])
    bars = axes.barh(
        [name_of(name, 32) for name in names],
        [100 * importances[name] for name in names],
        color=COLORS[0],
    )
    axes.bar_label(bars, fmt="%.0f", padding=2)
    axes.margins(x=0.12)


def _draw_setting(axes: Any, rows: Sequence[Row], name: str, log: bool) -> None:
    rows = [row for row in rows if name in row["values"]]
    values = [row["values"][name] for row in rows]
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        if log:
            _set_log(axes)
        places: List[Any] = values
    else:
        texts = [str(value) for value in values]
        known = sorted(set(texts))
        axes.set_xticks(range(len(known)), [name_of(text, 16) for text in known])
        axes.set_xlim(-0.5, len(known) - 0.5)
        places = [known.index(text) for text in texts]
    _draw_trials(axes, rows, places)
    axes.set(xlabel=name_of(name, 32))
    axes.grid(axis="y")


def _set_log(axes: Any) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    # matplotlib would write powers as formulas.
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _draw_trials(
    axes: Any, rows: Sequence[Row], places: Sequence[Any], *, labels: bool = False
) -> None:
    for state, marker in MARKERS.items():
        found = [(place, row) for place, row in zip(places, rows) if row["state"] == state]
        if found:
            axes.scatter(
                [place for place, _ in found],
                [100 * row["score"] for _, row in found],
                marker=marker,
                s=22,
                color=COLORS[0] if state == "complete" else COLORS[2],
                label=state if labels else None,
            )
    own = [(place, row) for place, row in zip(places, rows) if row["own_values"]]
    for place, row in own:
        axes.scatter([place], [100 * row["score"]], marker="s", s=30, color=COLORS[1])
