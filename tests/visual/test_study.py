import pytest

from spacy_rnn.visual.figures import png_file_of, svg_of
from spacy_rnn.visual.study import draw_study, size_of

pytest.importorskip("matplotlib", reason="needs the extra `figures`")


def row(trial, score, state="complete", **values):
    own = trial == 0
    return {"trial": trial, "score": score, "state": state, "own_values": own, "values": values}


ROWS = [
    row(0, 0.5, rate=0.01, cell="lstm"),
    row(1, 0.75, rate=0.1, cell=["a", "b"]),
    row(2, 0.9, "pruned", rate=0.001, cell=None),
    row(3, None, "failed", rate=0.001, cell=None),
    row(4, 0.625, rate=0.02, cell="lstm"),
]


def axes_of(rows, names, importances, logs=()):
    from matplotlib.figure import Figure

    figure = Figure(figsize=size_of(len(names)), layout="constrained")
    draw_study(rows, names, importances, logs)(figure)
    return figure.axes


def test_what_is_drawn():
    history, bars, rate, cell, *empty = axes_of(ROWS, ["rate", "cell"], {"rate": 0.75}, ["rate"])
    best, own = history.get_lines()
    # What was pruned is not the best, and what has failed has no score.
    assert list(best.get_xdata()) == [0, 1, 2, 4]
    assert list(best.get_ydata()) == [50.0, 75.0, 75.0, 75.0]
    assert set(own.get_ydata()) == {50.0}
    complete, pruned, square = (points.get_offsets().tolist() for points in history.collections)
    assert complete == [[0, 50.0], [1, 75.0], [4, 62.5]] and pruned == [[2, 90.0]]
    assert square == [[0, 50.0]]
    assert [bar.get_width() for bar in bars.patches] == [75.0]
    assert rate.get_xscale() == "log"
    assert rate.collections[0].get_offsets().tolist() == [[0.01, 50], [0.1, 75], [0.02, 62.5]]
    names = [label.get_text() for label in cell.get_xticklabels()]
    assert names == ["None", "['a', 'b']", "lstm"]
    assert cell.collections[0].get_offsets()[:, 0].tolist() == [2, 1, 2]
    assert not any(axes.axison for axes in empty)


@pytest.mark.parametrize("rows", [ROWS[:1], ROWS, ROWS[:3] * 3])
@pytest.mark.parametrize("names", [["rate"], ["rate", "cell"] * 4])
def test_is_drawn_with_any_number_of_trials_and_settings(rows, names):
    draw = draw_study(rows, names, {}, ["rate"])
    assert "Too few trials to say" in svg_of(draw, size_of(len(names)), "A search")
    assert png_file_of(draw, size_of(len(names)))[:4] == b"\x89PNG"


def test_powers_are_no_formulas():
    svg = svg_of(draw_study(ROWS, ["rate"], {}, ["rate"]), size_of(1), "A search")
    assert "mathdefault" not in svg and ">0.01<" in svg
