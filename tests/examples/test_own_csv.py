"""The notebook on a user's table runs, and prints what it shows."""

import csv
import json
import re

import jupytext
import nbformat
import pytest

from docs.notebook import BLOCK, printed, run, with_outputs
from tests.conftest import BAD, GOOD
from tests.test_installed import REPOSITORY

DOCUMENT = REPOSITORY / "examples" / "own_csv" / "own_csv.md"
MARKDOWN = DOCUMENT.read_text(encoding="utf8")


@pytest.fixture(autouse=True)
def checkout(monkeypatch):
    """The notebook's process imports this package, wherever it runs."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def scores_of(folder):
    return json.loads((folder / "scores.json").read_text())


def test_on_film_reviews_it_prints_what_it_shows(tmp_path):
    assert with_outputs(MARKDOWN, printed(run(MARKDOWN, tmp_path))) == MARKDOWN
    assert scores_of(tmp_path)["cats_micro_f"] > 0.6
    page = (tmp_path / "why.html").read_text(encoding="utf8")
    assert "brilliant" in page and "<script" not in page


@pytest.mark.slow
def test_on_a_table_of_ones_own(tmp_path):
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("comment", "kind"))
        for i in range(40):
            rows.writerows([f"{text} {i}", "good"] for text in GOOD)
            rows.writerows([f"{text} {i}", "bad"] for text in BAD)
    names = 'Path("reviews.csv"), "text", "label"'
    assert MARKDOWN.count(names) == 1
    run(MARKDOWN.replace(names, 'Path("mine.csv"), "comment", "kind"'), tmp_path)
    assert scores_of(tmp_path)["cats_micro_f"] > 0.9
    with (tmp_path / "scored.csv").open(newline="") as file:
        scored = list(csv.DictReader(file))
    assert {row["kind"] for row in scored} == {"good", "bad"} and len(scored) == 240
    assert all((float(row["good"]) > 0.5) == (row["kind"] == "good") for row in scored)


def test_the_notebook_beside_it_is_the_same():
    notebook = nbformat.read(DOCUMENT.with_suffix(".ipynb"), as_version=4)
    source = jupytext.reads(BLOCK.sub(r"```python\n\g<code>```\n", MARKDOWN), "md")
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in source.cells]
    shown = [match["output"] or "" for match in re.finditer(BLOCK, MARKDOWN)]
    assert [text.strip() for text in printed(notebook)] == [text.strip() for text in shown]
