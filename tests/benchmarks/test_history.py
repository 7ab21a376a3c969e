"""The history of benchmarks: its lines, its figure, and how a line is made."""

import json
import xml.etree.ElementTree as ET

import pytest
import srsly
from packaging.version import Version

from benchmarks import history
from benchmarks.history import FIGURE, FIGURES, HISTORY, TOKENIZER, draw, measure
from benchmarks.timing import reviews
from release import check
from spacy_rnn import __version__

LINES = list(srsly.read_jsonl(HISTORY))
FIELDS = {
    "version",
    "date",
    "machine",
    "load",
    "note",
    "python",
    "torch",
    "spacy",
    "thinc",
    "rounds",
}


def test_each_line_has_the_same_fields():
    for line in LINES:
        assert set(line) == FIELDS | {"tokenizer_tokens_per_second", "ratios"}
        assert set(line["machine"]) == {"cpu", "cores", "kernels", "system", "threads"}
        assert set(line["ratios"]) <= set(FIGURES)
        # No part of a pipeline is faster than its tokenizer.
        assert all(0 < ratio < 1 for ratio in line["ratios"].values())


def test_no_line_is_of_a_version_to_come():
    assert LINES and all(Version(line["version"]) <= Version(__version__) for line in LINES)
    check.check_history(check.ROOT, LINES[-1]["version"])


def test_the_figure_is_that_of_the_lines():
    drawn = FIGURE.read_text("utf8")
    assert ET.fromstring(drawn).tag.endswith("svg")
    for line in LINES:
        assert line["version"] in drawn and line["machine"]["cpu"] in drawn
    assert all(title in drawn for title in FIGURES.values())


def test_a_machine_is_a_line_of_the_figure():
    other = json.loads(json.dumps(LINES[0]))
    other["machine"]["cpu"], other["version"] = "Another CPU", "99.0.0"
    # A figure that was not measured then is left out.
    del other["ratios"]["streams_64"]
    drawn = draw([*LINES, other]).decode("utf8")
    assert "Another CPU" in drawn and "99.0.0" in drawn
    assert "Another CPU" not in draw(LINES).decode("utf8")


@pytest.fixture
def rates(monkeypatch):
    """Known rates in place of measured ones."""
    found = {name: [10.0 * i, 20.0 * i] for i, name in enumerate(FIGURES, start=1)}
    monkeypatch.setattr(history, "reviews", lambda count: [])
    monkeypatch.setattr(history, "runs", lambda texts: {})
    monkeypatch.setattr(
        history, "rates_in_turns", lambda runs, rounds: {TOKENIZER: [100.0, 200.0], **found}
    )


def test_figures_are_ratios_of_the_same_round(rates):
    line = measure(2, "quiet")
    assert list(line["ratios"].values()) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert line["version"] == __version__ and line["note"] == "quiet" and line["rounds"] == 2
    assert line["tokenizer_tokens_per_second"] == 150


def test_a_line_is_added_and_none_is_lost(rates, tmp_path, monkeypatch):
    monkeypatch.setattr(history, "HISTORY", tmp_path / "history.jsonl")
    monkeypatch.setattr(history, "FIGURE", tmp_path / "history.svg")
    monkeypatch.setattr("sys.argv", ["history", "--note", "one"])
    history.main()
    history.main()
    assert [line["note"] for line in srsly.read_jsonl(tmp_path / "history.jsonl")] == ["one", "one"]
    assert (tmp_path / "history.svg").read_text("utf8").startswith("<")


def test_all_that_is_measured_runs(monkeypatch):
    monkeypatch.setattr("benchmarks.streaming.reviews", lambda count: reviews(40))
    made = history.runs([f"A film of {i} words. It is fine." for i in range(20)])
    assert set(made) == {TOKENIZER, *FIGURES}
    assert all(run() > 0 for run in made.values())
