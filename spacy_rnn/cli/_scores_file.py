"""What any classifier has said of texts, from a file: a teacher that is not run."""

from pathlib import Path
from typing import Any, Dict, List

import spacy

from ..annotation.results import Writers
from ..corpus.rows import Fault, Layout, Row, read_rows
from ..errors import Errors
from ._teachers import Cats, Teacher

# How far from 1 the scores of labels that exclude each other may sum up to: they are rounded. More
# where all have two decimals, by half a hundredth each, and no more than that in all.
ROUNDING, MOST = 0.01, 0.1
ENDINGS = {".jsonl": "jsonl"}


def load_scores(name: str, column: str) -> Teacher:
    """The teacher that a file of scores is: JSON lines with a text and its `cats`, as
    `spacy-rnn predict` writes them.

    Its labels exclude each other if the scores of each text sum up to 1, but for rounding.
    name: Path of the file, which ends in .jsonl, .jsonl.gz or .jsonl.xz. column: The key of the
        text.
    RAISES: ValueError for a file of another name, for a row that is not of this form, and if there
        is none.
    """
    scores: Dict[str, Cats] = {}
    for row in read_rows(Path(name), [column, "cats"], Layout(), endings=ENDINGS):
        if isinstance(row, Fault):
            raise row.to_error()
        problem = _find_problem(row, column, scores)
        if problem:
            raise ValueError(Errors.R638.format(path=name, line=row.line, problem=problem))
        scores[row.cells[column]] = row.cells["cats"]
    if not scores:
        raise ValueError(Errors.R405.format(path=name))
    labels = list(next(iter(scores.values())))
    two_decimals = all(round(v, 2) == v for cats in scores.values() for v in cats.values())
    tolerance = max(ROUNDING, min(0.005 * len(labels), MOST)) if two_decimals else ROUNDING
    # A little more, as sums of floats are rounded, too.
    exclusive = all(abs(sum(cats.values()) - 1.0) < tolerance + 1e-6 for cats in scores.values())
    writers = Writers([name], labels, {}, None if exclusive else 0.5, [])
    return Teacher(name, spacy.blank("xx"), writers, scores)


def _find_problem(row: Row, column: str, before: Dict[str, Cats]) -> str:
    """What is wrong with a row: "" for nothing."""
    text, cats = row.cells[column], row.cells["cats"]
    if not isinstance(text, str):
        return f"'{column}' is not a string"
    if not isinstance(cats, dict) or not cats or not all(map(_is_score, cats.values())):
        return "'cats' is not an object of labels with scores from 0 to 1"
    labels: List[str] = sorted(next(iter(before.values()), cats))
    if sorted(cats) != labels:
        return f"the labels are {', '.join(sorted(cats))}, but {', '.join(labels)} in lines before"
    if before.get(text, cats) != cats:
        return "the text has other scores in a line before"
    return ""


def _is_score(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0.0 <= value <= 1.0
