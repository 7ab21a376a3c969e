"""Predictions as JSON lines, CSV, .spacy, or tables to look at."""

import csv
import json
import unicodedata
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Optional

from spacy.tokens import DocBin

from ._annotations import TAG_ATTRS, Prediction, ranked


class JsonlWriter:
    """One object a line: the input's, and the result."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def write(self, prediction: Prediction) -> Optional[str]:
        """Write one prediction. RETURNS: What keeps it from being written, or None."""
        cells = prediction.row.cells
        row = {**cells, **beside(prediction.result, cells)}
        self.file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        return None


class CsvWriter:
    """The columns of the input, then the best label, or those that count, and the score of each,
    and words with tags.

    labels: Those that have a column.
    """

    def __init__(self, file: IO[str], labels: List[str]) -> None:
        self.rows = csv.writer(file, lineterminator="\n")
        self.labels = labels
        self.columns: List[str] = []
        self.header: List[str] = []

    def write(self, prediction: Prediction) -> Optional[str]:
        """Write one prediction, and the header before the first.

        RETURNS: What keeps it from being written, or None.
        """
        cells = prediction.row.cells
        result = self._flat(prediction.result)
        if not self.header:
            self.columns = list(cells)
            self.header = [*self.columns, *beside(result, cells)]
            self.rows.writerow(self.header)
        unknown = [name for name in cells if name not in self.columns]
        if unknown:
            return f"the first text has no '{unknown[0]}', and so the CSV no column: write .jsonl"
        row = {**cells, **beside(result, self.columns)}
        unknown = [name for name in row if name not in self.header]
        if unknown:
            return f"'{unknown[0]}' is not in the header that the first text gave: write .jsonl"
        self.rows.writerow([_to_cell(row.get(name)) for name in self.header])
        return None

    def _flat(self, result: Dict[str, Any]) -> Dict[str, Any]:
        flat: Dict[str, Any] = {}
        if "cats" in result:
            key = "label" if "label" in result else "labels"
            flat[key] = result[key]
            if "abstained" in result:
                flat["abstained"] = result["abstained"]
            # The label's own column comes first; scores follow in the order of the component.
            flat.update({name: result["cats"].get(name) for name in self.labels})
            flat.update(result["cats"])
        for attr in _attrs(result):
            words = [token for token in result["tokens"] if not token["text"].isspace()]
            flat[attr] = " ".join(f"{token['text']}/{token[attr]}" for token in words)
            if any(f"{attr}_probs" in token for token in words):
                flat[f"{attr}_probs"] = " ".join(_probability(token, attr, 6) for token in words)
        return flat


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


def beside(result: Dict[str, Any], cells: Any) -> Dict[str, Any]:
    """The result under names that do not hide what the input calls so."""
    return {f"predicted_{key}" if key in cells else key: result[key] for key in result}


def _attrs(result: Dict[str, Any]) -> List[str]:
    """What the tokens of a result are tagged with."""
    return [a for a in TAG_ATTRS if any(a in token for token in result.get("tokens", [])[:1])]


def _to_cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def _cells_of(token: Dict[str, Any]) -> List[str]:
    """A word, and below it its tags and their probabilities; nothing for a blank token."""
    if token["text"].isspace():
        return []
    cells = [token["text"]]
    for attr in TAG_ATTRS:
        if attr in token:
            cells.append(token[attr])
        if f"{attr}_probs" in token:
            cells.append(_probability(token, attr, 3))
    return cells


def _probability(token: Dict[str, Any], attr: str, digits: int) -> str:
    """Of a token's own tag; a dash where another component has written that."""
    found = token.get(f"{attr}_probs", {}).get(token[attr])
    return "-" if found is None else f"{found:.{digits}f}"


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
