import sys
import xml.dom.minidom

import pytest

from spacy_rnn.visual.colors import DARK, LIGHT
from spacy_rnn.visual.curves import best_of, draw_curves
from spacy_rnn.visual.figures import (
    COLORS,
    name_of,
    png_file_of,
    require_matplotlib,
    svg_file_of,
    svg_of,
)
from tests.visual.test_colors import contrast

matplotlib = pytest.importorskip("matplotlib", reason="needs the extra `figures`")

ATTACK = '</text><script>alert(1)</script> $\\frac{1}$ & "'


def draw_text(figure):
    axes = figure.subplots()
    axes.plot([0, 1], [1, 2], label="$x_1$")
    axes.legend()
    axes.set_title(name_of(ATTACK, 99))
    axes.set_xlabel(name_of("a\x00b\ud800"))


def test_text_is_escaped_and_no_formula():
    svg = svg_of(draw_text, (3, 2), ATTACK)
    document = xml.dom.minidom.parseString(svg).documentElement
    assert document.getAttribute("aria-label") == ATTACK
    texts = [
        "".join(node.nodeValue for node in text.childNodes)
        for text in document.getElementsByTagName("text")
    ]
    assert ATTACK in texts and "$x_1$" in texts and "a\ufffdb\ufffd" in texts
    assert not document.getElementsByTagName("script")


def test_a_figure_is_the_same_each_time_and_names_nothing_elsewhere():
    svg = svg_of(draw_text, (3, 2), "A line")
    assert svg == svg_of(draw_text, (3, 2), "A line")
    assert "<metadata" not in svg and 'href="http' not in svg and "<image" not in svg
    assert '<g id="' not in svg and "currentColor" in svg and "#0a0b0c" not in svg


def test_lines_are_seen_on_both_grounds():
    for color in COLORS:
        rgb = tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
        for _, ground in (LIGHT, DARK):
            assert contrast(rgb, ground) >= 3, color


def test_files():
    svg = svg_file_of(draw_text, (3, 2), "A line")
    xml.dom.minidom.parseString(svg)
    assert b"prefers-color-scheme: dark" in svg
    assert png_file_of(draw_text, (3, 2))[:4] == b"\x89PNG"


def test_long_names():
    assert name_of("a" * 30) == "a" * 23 + "…" and name_of(" a \n b ") == "a b"


def row(step, score, **values):
    empty = {"loss": {"pipe": 0.5}, "dev_loss": {}, "train": {}, "dev": {"acc": score}}
    return {"step": step, "score": score, **empty, **values}


def drawn(rows, headings=None):
    found = {}

    def keep(figure):
        draw_curves(rows, headings or {"acc": "Accuracy"})(figure)
        found["axes"] = figure.axes

    svg_of(keep, (6, 3), "")
    return found["axes"]


def lines_of(axes):
    """From labels to points."""
    return {
        line.get_label(): list(zip(line.get_xdata(), line.get_ydata()))
        for line in axes.get_lines()
        if not line.get_label().startswith("_")
    }


def test_curves():
    rows = [
        row(0, 0.25, dev_loss={"pipe": 0.75}, train={"acc": 0.5}),
        row(5, 0.75, dev_loss={"pipe": 0.25}, train={"acc": 1.0}, loss={"pipe": 0.125}),
    ]
    left, right = drawn(rows)
    assert lines_of(left) == {"train": [(0, 0.5), (5, 0.125)], "dev": [(0, 0.75), (5, 0.25)]}
    assert lines_of(right) == {"train": [(0, 50), (5, 100)], "dev": [(0, 25), (5, 75)]}
    for axes in (left, right):
        (mark,) = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
        assert list(mark.get_xdata()) == [5, 5]
    # What cannot be told apart by colour has another stroke.
    strokes = {line.get_label(): line.get_linestyle() for line in left.get_lines()}
    assert strokes["train"] == "-" and strokes["dev"] == "--"


def test_curves_of_several_scores_and_of_dev_alone():
    rows = [row(0, 0.25, dev={"acc": 0.25, "f": None}), row(1, 0.5, dev={"acc": 0.5, "f": 0.75})]
    left, right = drawn(rows, {"acc": "Accuracy", "f": "Macro f"})
    assert list(lines_of(left)) == ["train"]
    assert list(lines_of(right)) == ["Accuracy, dev", "Macro f, dev"]


def test_the_best_of_equal_scores_is_the_last_as_in_spacy():
    assert best_of([row(0, 0.5), row(1, 0.75), row(2, 0.75), row(3, 0.5)])["step"] == 2


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"R809.*a picture needs matplotlib.*figures"):
        require_matplotlib("a picture")
