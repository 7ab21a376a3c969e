"""Texts and labels in a table: CSV, TSV or JSON lines."""

import csv
import json
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from ..errors import Errors
from .records import Cleaner, Record, prepare, require_path, to_examples

Row = Tuple[int, Dict[str, Any]]

DELIMITERS = {".csv": ",", ".tsv": "\t"}
# Cells may hold whole documents; Python's default limit is 128 KiB.
MAX_CELL = 2**31 - 1


@registry.readers("spacy-rnn.table_reader.v1")
def create_table_reader_v1(
    path: Path,
    text_column: str = "text",
    label_column: Union[str, List[str]] = "label",
    labels: Optional[Dict[str, str]] = None,
    seed: Optional[int] = 0,
    limit: int = 0,
    clean: Optional[Cleaner] = None,
) -> Callable[[Language], Iterator[Example]]:
    """Read a table with a header, or JSON lines.

    path: A file that ends in .csv, .tsv or .jsonl, in UTF-8.
    text_column: Name of the column with the text.
    label_column: Name of the column with the label; in JSON lines it may hold a list
        of labels. Or a list of names: one column of 0 and 1 for each label.
    labels: What to call the values found in the label column, as {"1": "POSITIVE"}.
        Values that are not named here are an error. null takes them as they are.
    seed: Of the shuffling; null keeps the order.
    limit: Number of rows to read, 0 for all.
    clean: A cleaner, as `spacy-rnn.text_cleaner.v1`.
    RETURNS: A function from a pipeline to examples.
    """

    def read(nlp: Language) -> Iterator[Example]:
        records = read_table(Path(path), text_column, label_column, labels)
        return to_examples(nlp, prepare(records, seed=seed, limit=limit), clean)

    return read


def read_table(
    path: Path,
    text_column: str,
    label_column: Union[str, List[str]],
    labels: Optional[Dict[str, str]],
) -> List[Record]:
    """All rows. See `create_table_reader_v1`.

    RAISES: FileNotFoundError; ValueError for an unknown ending or column, a malformed
        row, or a table without rows. All name the file, and the line where one is at
        fault.
    """
    require_path(path, "Check the path in the config.")
    columns = [label_column] if isinstance(label_column, str) else list(label_column)
    found: List[Tuple[str, List[str]]] = []
    for line, row in _rows(path, [text_column, *columns]):
        text = row[text_column]
        if not isinstance(text, str):
            raise _bad_row(path, line, f"the text is {text!r}, not a string")
        if isinstance(label_column, str):
            names = _names(path, line, row[label_column], labels)
        else:
            names = [name for name in columns if _is_true(path, line, name, row[name])]
        found.append((text, names))
    if not found:
        raise ValueError(Errors.R405.format(path=path))
    return _to_records(found, None if isinstance(label_column, str) else columns)


def _to_records(found: List[Tuple[str, List[str]]], labels: Optional[List[str]]) -> List[Record]:
    """Fill in the labels that are not true of a text."""
    known = labels or list(dict.fromkeys(name for _, names in found for name in names))
    return [Record(text, {name: float(name in names) for name in known}) for text, names in found]


def _rows(path: Path, columns: List[str]) -> Iterable[Row]:
    ending = path.suffix.lower()
    if ending == ".jsonl":
        return _json_rows(path, columns)
    if ending not in DELIMITERS:
        raise ValueError(Errors.R406.format(path=path))
    return _delimited_rows(path, columns, DELIMITERS[ending])


def _delimited_rows(path: Path, columns: List[str], delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(MAX_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter, strict=True)
        try:
            _require_columns(path, columns, reader.fieldnames or [])
            for row in reader:
                width = len(reader.fieldnames or [])
                cells = width + len(row.get(None, ())) - list(row.values()).count(None)
                if cells != width:
                    raise _bad_row(
                        path, reader.line_num, f"{cells} columns, where the header has {width}"
                    )
                yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise _bad_row(path, reader.line_num, str(error)) from error


def _json_rows(path: Path, columns: List[str]) -> Iterator[Row]:
    with path.open("rb") as file:
        for line, data in enumerate(file, 1):
            if not data.strip():
                continue
            try:
                row = json.loads(data)
            except ValueError as error:
                raise _bad_row(path, line, f"not JSON ({error})") from error
            if not isinstance(row, dict):
                raise _bad_row(path, line, f"a JSON object is needed, found {row!r}")
            missing = [name for name in columns if name not in row]
            if missing and line == 1:
                _require_columns(path, columns, list(row))
            if missing:
                raise _bad_row(path, line, f"no key '{missing[0]}'")
            yield line, row


def _require_columns(path: Path, columns: List[str], found: Iterable[str]) -> None:
    found = list(found)
    for column in columns:
        if column not in found:
            raise ValueError(Errors.R402.format(path=path, column=column, found=found))


def _names(path: Path, line: int, value: Any, labels: Optional[Dict[str, str]]) -> List[str]:
    """The labels of a row from its label cell."""
    values = value if isinstance(value, list) else [value]
    names = [str(item).strip() for item in values]
    if not isinstance(value, list) and (value is None or not names[0]):
        raise _bad_row(path, line, "no label")
    if labels is None:
        return names
    for name in names:
        if name not in labels:
            problem = f"the label '{name}' is none of those to map: {list(labels)}"
            raise _bad_row(path, line, problem)
    return [labels[name] for name in names]


def _is_true(path: Path, line: int, name: str, value: Any) -> bool:
    text = str(value).strip().lower()
    if text in ("1", "1.0", "true"):
        return True
    if text in ("0", "0.0", "false"):
        return False
    raise _bad_row(path, line, f"column '{name}' is {value!r}, not 0 or 1")


def _bad_row(path: Path, line: int, problem: str) -> ValueError:
    return ValueError(Errors.R403.format(path=path, line=line, problem=problem))
