"""Annotations as JSON lines and CSV."""

import csv
import json
from typing import IO, Any, Dict, List, Optional, Union

from .results import TAG_ATTRS, Annotated, Prediction, beside

# The columns of annotations that are not scores.
OWN_COLUMNS = {"label", "labels", "abstained", *TAG_ATTRS, *(f"{attr}_probs" for attr in TAG_ATTRS)}


class JsonlWriter:
    """One object a line: the input's, and the result."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def write(self, prediction: Union[Prediction, Annotated]) -> Optional[str]:
        """Write one prediction. RETURNS: What keeps it from being written, or None."""
        cells = prediction.row.cells
        row = {**cells, **beside(prediction.result, cells)}
        self.file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        return None


class CsvWriter:
    """The columns of the input, then the best label, or those that count, and the score of each,
    and words with tags.

    labels: Those that have a column, of their name or, where that is another column's, `score_` and
        their name.
    columns: The columns of the input; None for those of the first row.
    like: A result that has all columns of annotations, with which the header is written at once.
    """

    def __init__(
        self,
        file: IO[str],
        labels: List[str],
        columns: Optional[List[str]] = None,
        like: Optional[Dict[str, Any]] = None,
    ) -> None:
        self.rows = csv.writer(file, lineterminator="\n")
        self.labels = labels
        self.columns = columns or []
        self.header: List[str] = []
        if like is not None:
            self._write_header(self._flat(like))

    def write(self, prediction: Union[Prediction, Annotated]) -> Optional[str]:
        """Write one prediction, and the header before the first.

        RETURNS: What keeps it from being written, or None.
        """
        cells = prediction.row.cells
        result = self._flat(prediction.result)
        if not self.header:
            self.columns = list(cells)
            self._write_header(result)
        unknown = [name for name in cells if name not in self.columns]
        if unknown:
            return f"the first text has no '{unknown[0]}', and so the CSV no column: write .jsonl"
        row = {**cells, **beside(result, self.columns)}
        unknown = [name for name in row if name not in self.header]
        if unknown:
            return f"'{unknown[0]}' is not in the header that the first text gave: write .jsonl"
        self.rows.writerow([_to_cell(row.get(name)) for name in self.header])
        return None

    def _write_header(self, result: Dict[str, Any]) -> None:
        self.header = [*self.columns, *beside(result, self.columns)]
        self.rows.writerow(self.header)

    def _flat(self, result: Dict[str, Any]) -> Dict[str, Any]:
        flat: Dict[str, Any] = {}
        if "cats" in result:
            key = "label" if "label" in result else "labels"
            flat[key] = result[key]
            if "abstained" in result:
                flat["abstained"] = result["abstained"]
            # The label's own column comes first; scores follow in the order of the component.
            names = list(dict.fromkeys([*self.labels, *result["cats"]]))
            flat.update({score_column(n, names): result["cats"].get(n) for n in names})
        for attr in _attrs(result):
            words = [token for token in result["tokens"] if not token["text"].isspace()]
            flat[attr] = " ".join(f"{token['text']}/{token[attr]}" for token in words)
            if any(f"{attr}_probs" in token for token in words):
                flat[f"{attr}_probs"] = " ".join(probability_of(token, attr, 6) for token in words)
        return flat


def score_column(label: str, labels: List[str]) -> str:
    """The column of a label's scores: of its name, unless a column is called so that is none of
    scores. labels: All that have a column."""
    name = label
    while name in OWN_COLUMNS or (name != label and name in labels):
        name = f"score_{name}"
    return name


def _attrs(result: Dict[str, Any]) -> List[str]:
    """What the tokens of a result are tagged with."""
    return [a for a in TAG_ATTRS if any(a in token for token in result.get("tokens", [])[:1])]


def _to_cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def probability_of(token: Dict[str, Any], attr: str, digits: int) -> str:
    """Of a token's own tag; a dash where another component has written that."""
    found = token.get(f"{attr}_probs", {}).get(token[attr])
    return "-" if found is None else f"{found:.{digits}f}"
