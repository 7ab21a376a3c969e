"""Texts and labels in a table: CSV, TSV, JSON lines or Parquet."""

import reprlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Union

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from ..errors import Errors
from .files import require_path
from .records import (
    Cleaner,
    Record,
    prepare,
    require_not_negative,
    strip_html,
    to_examples,
    true_labels,
)
from .rows import Layout, Row, find_half_character, find_problem, read_rows, require_rows


@registry.readers("spacy-rnn.table_reader.v1")
def create_table_reader_v1(
    path: Path,
    text_column: str = "text",
    label_column: Union[str, List[str]] = "label",
    labels: Optional[Dict[str, str]] = None,
    seed: Optional[int] = 0,
    limit: int = 0,
    clean: Optional[Cleaner] = None,
    delimiter: Optional[str] = None,
    encoding: str = "utf-8",
) -> Callable[[Language], Iterator[Example]]:
    """Read a table with a header, or JSON lines.

    path: A file that ends in .csv, .tsv or .jsonl, or in one of these and .gz or .xz; or in
        .parquet, which needs pyarrow.
    text_column: Name of the column with the text.
    label_column: Name of the column with the label; in JSON lines it may hold a list
        of labels. Or a list of names: one column of values from 0 to 1 for each label.
    labels: What to call the values found in the label column, as {"1": "POSITIVE"}.
        Values that are not named here are an error. null takes them as they are.
    seed: Of the shuffling; null keeps the order.
    limit: Number of rows to read, 0 for all.
    clean: A cleaner, as `spacy-rnn.text_cleaner.v1`.
    delimiter: What stands between cells, also "tab"; null for a comma in .csv, a tab in .tsv.
    encoding: Of the file, by the names that Python has.
    RETURNS: A function from a pipeline to examples.
    RAISES: ValueError for a limit below 0.
    """
    require_not_negative(limit=limit)
    layout = Layout(delimiter=delimiter, encoding=encoding)

    def read(nlp: Language) -> Iterator[Example]:
        records = read_table(
            Path(path), text_column, label_column, labels, layout, max_length=nlp.max_length
        )
        return to_examples(nlp, prepare(records, seed=seed, limit=limit), clean)

    return read


class LabelledRow(NamedTuple):
    """A row of a table, its text and the value of each label that it names."""

    row: Row
    text: str
    cats: Dict[str, float]

    @property
    def labels(self) -> List[str]:
        """Those that are true of it."""
        return true_labels(self.cats)


def read_table(
    path: Path,
    text_column: str,
    label_column: Union[str, List[str]],
    labels: Optional[Dict[str, str]],
    layout: Layout = Layout(),
    *,
    max_length: Optional[int] = None,
) -> List[Record]:
    """All rows, one record each, in their order. See `create_table_reader_v1`.

    RAISES: FileNotFoundError; ValueError for an unknown ending or column, a malformed
        row, or a table without rows. All name the file, and the line where one is at
        fault. ImportError for a .parquet without pyarrow.
    """
    found = read_labelled_rows(
        path, text_column, label_column, labels, layout, max_length=max_length
    )
    return to_records(found, None if isinstance(label_column, str) else list(label_column))


def read_labelled_rows(
    path: Path,
    text_column: str,
    label_column: Union[str, List[str]],
    labels: Optional[Dict[str, str]],
    layout: Layout = Layout(),
    *,
    max_length: Optional[int] = None,
) -> List[LabelledRow]:
    """All rows, each with what `read_table` makes a record of.

    max_length: Characters that a text may have without its markup, None for any number.
    RAISES: as `read_table`; ValueError for a text that is too long.
    """
    require_path(path, "Check the path.")
    columns = [label_column] if isinstance(label_column, str) else list(label_column)
    found: List[LabelledRow] = []
    for row in require_rows(read_rows(path, [text_column, *columns], layout)):
        problem = find_problem(row, text_column, max_length, strip_html)
        if problem is not None:
            raise row.fault(problem).to_error()
        if isinstance(label_column, str):
            cats = dict.fromkeys(_names(row, row.cells[label_column], labels), 1.0)
        else:
            cats = {name: _value(row, name) for name in columns}
        problem = find_half_character("".join(cats))
        if problem is not None:
            raise row.fault(problem).to_error()
        found.append(LabelledRow(row, row.cells[text_column], cats))
    if not found:
        raise ValueError(Errors.R405.format(path=path))
    return found


def to_records(found: List[LabelledRow], labels: Optional[List[str]]) -> List[Record]:
    """Fill in the labels that a row does not name, as not true of its text.

    labels: All there are; None for those that some row names.
    """
    known = labels or list(dict.fromkeys(name for row in found for name in row.cats))
    return [Record(row.text, {name: row.cats.get(name, 0.0) for name in known}) for row in found]


def _names(row: Row, value: Any, labels: Optional[Dict[str, str]]) -> List[str]:
    """The labels of a row from its label cell."""
    names = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, (dict, list)):
            problem = f"the label is {reprlib.repr(item)}, not a string or a number"
            raise row.fault(problem).to_error()
        name = "" if item is None else str(item).strip()
        if not name:
            raise row.fault("no label").to_error()
        if labels is not None and name not in labels:
            problem = f"the label {name!r} is none of those to map: {list(labels)}"
            raise row.fault(problem).to_error()
        names.append(name if labels is None else labels[name])
    return names


def _value(row: Row, name: str) -> float:
    """The value of a label from its column."""
    found = row.cells[name]
    text = (found if isinstance(found, str) else reprlib.repr(found)).strip().lower()
    try:
        value = float({"true": "1", "false": "0"}.get(text, text))
    except ValueError:
        value = -1.0
    if 0.0 <= value <= 1.0:
        return value
    problem = f"column '{name}' is {reprlib.repr(found)}, not a number from 0 to 1"
    raise row.fault(problem).to_error()
