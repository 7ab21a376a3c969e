"""Predictions as .spacy, or tables to look at."""

import json
import unicodedata
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Optional

from spacy.tokens import DocBin

from ..annotation.results import TAG_ATTRS, Prediction, ranked
from ..annotation.text_writers import probability_of


class SpacyWriter:
    """Documents as spaCy's own commands read them, in memory until the end.

    The cells of the input are `doc.user_data["row"]`, probabilities `["probabilities"]`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.docs = DocBin(store_user_data=True)

    def write(self, prediction: Prediction) -> Optional[str]:
        """Take one prediction. RETURNS: None, as nothing keeps it from being written."""
        doc = prediction.doc
        doc.user_data["row"] = json.loads(json.dumps(prediction.row.cells, default=str))
        keys = [f"{attr}_probs" for attr in TAG_ATTRS]
        tokens = prediction.result.get("tokens", [])
        if any(key in token for token in tokens for key in keys):
            doc.user_data["probabilities"] = [
                {key: token[key] for key in keys if key in token} for token in tokens
            ]
        self.docs.add(doc)
        return None

    def save(self) -> None:
        """Write the file."""
        self.docs.to_disk(self.path)


class TableWriter:
    """Each text, below it its labels, highest score first, and its words with their tags.

    width: Columns of the terminal.
    """

    def __init__(self, file: IO[str], column: str, width: int) -> None:
        self.file = file
        self.column = column
        self.width = width

    def write(self, prediction: Prediction) -> Optional[str]:
        """Write one prediction. RETURNS: None, as nothing keeps it from being written."""
        result = prediction.result
        lines = [" ".join(prediction.row.cells[self.column].split())]
        scores = [f"{name} {score:.3f}" for name, score in ranked(result.get("cats", {}))]
        lines.extend(_in_columns([[score] for score in scores], self.width))
        words = [_cells_of(token) for token in result.get("tokens", [])]
        lines.extend(_in_columns([cells for cells in words if cells], self.width))
        self.file.write("\n".join(lines) + "\n\n")
        return None


def _cells_of(token: Dict[str, Any]) -> List[str]:
    """A word, and below it its tags and their probabilities; nothing for a blank token."""
    if token["text"].isspace():
        return []
    cells = [token["text"]]
    for attr in TAG_ATTRS:
        if attr in token:
            cells.append(token[attr])
        if f"{attr}_probs" in token:
            cells.append(probability_of(token, attr, 3))
    return cells


def _in_columns(columns: List[List[str]], width: int) -> Iterator[str]:
    """Cells below each other, as many columns in a line as there is room for."""
    lines: List[str] = []
    for cells in columns:
        wide = max(map(_width, cells))
        if lines and _width(lines[0]) + wide > width:
            yield from (line.rstrip() for line in lines)
            lines = []
        lines = lines or ["  "] * len(cells)
        lines = [line + cell + " " * (wide - _width(cell) + 2) for line, cell in zip(lines, cells)]
    yield from (line.rstrip() for line in lines)


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
