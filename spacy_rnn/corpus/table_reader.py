"""Texts and labels in a table: CSV, TSV or JSON lines."""

import csv
import json
import re
import reprlib
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from ..errors import Errors
from .files import bad_line, read_lines, require_path
from .records import Cleaner, Record, prepare, require_not_negative, to_examples

Row = Tuple[int, Dict[str, Any]]

DELIMITERS = {".csv": ",", ".tsv": "\t"}
# Cells may hold whole documents; Python's default limit is 128 KiB.
MAX_CELL = 2**31 - 1
# Half of a character, which JSON can escape and UTF-8 cannot encode.
_SURROGATE = re.compile("[\ud800-\udfff]")


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
    RAISES: ValueError for a limit below 0.
    """
    require_not_negative(limit=limit)

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
    for line, row in read_rows(path, [text_column, *columns]):
        text = row[text_column]
        if not isinstance(text, str):
            raise bad_line(path, line, f"the text is {reprlib.repr(text)}, not a string")
        if isinstance(label_column, str):
            names = _names(path, line, row[label_column], labels)
        else:
            names = [name for name in columns if _is_true(path, line, name, row[name])]
        half = _SURROGATE.search("".join([text, *names]))
        if half is not None:
            problem = f"{half.group()!r} is half of a character: write it with its other half"
            raise bad_line(path, line, problem)
        found.append((text, names))
    if not found:
        raise ValueError(Errors.R405.format(path=path))
    return _to_records(found, None if isinstance(label_column, str) else columns)


def _to_records(found: List[Tuple[str, List[str]]], labels: Optional[List[str]]) -> List[Record]:
    """Fill in the labels that are not true of a text."""
    known = labels or list(dict.fromkeys(name for _, names in found for name in names))
    return [Record(text, {name: float(name in names) for name in known}) for text, names in found]


def read_rows(path: Path, columns: List[str]) -> Iterable[Row]:
    """Each row and the number of its (last) line. See `read_table`.

    columns: Columns that must be there.
    """
    ending = path.suffix.lower()
    if ending == ".jsonl":
        return _json_rows(path, columns)
    if ending not in DELIMITERS:
        raise ValueError(Errors.R406.format(path=path))
    return _delimited_rows(path, columns, DELIMITERS[ending])


def _delimited_rows(path: Path, columns: List[str], delimiter: str) -> Iterator[Row]:
    rows = _cells(path, delimiter)
    line, header = next(rows, (1, []))
    for name in _repeated(header):
        # Several columns without a name, as of empty cells, are no harm.
        if name or name in columns:
            raise bad_line(path, line, f"two columns are called '{name}': rename one of them")
    _require_columns(path, columns, header)
    for line, cells in rows:
        if len(cells) != len(header):
            problem = f"{len(cells)} columns, where the header has {len(header)}"
            raise bad_line(path, line, problem)
        yield line, dict(zip(header, cells))


def _cells(path: Path, delimiter: str) -> Iterator[Tuple[int, List[str]]]:
    """The cells of each row that is not empty, and the number of its last line."""
    lines: List[str] = []  # Of the row that is being read.

    def collect() -> Iterator[str]:
        # An empty line at the end: also there, the last of `lines` is the one at fault.
        for _, line in chain(read_lines(path, newline=""), [(0, "")]):
            lines.append(line)
            yield line

    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(collect(), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            lines.clear()
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        line = reader.line_num - _lines_of_open_cell(lines[:-1], delimiter)
        problem = f"a malformed cell in quotes begins here ({error}): close its quotes, and "
        raise bad_line(path, line, problem + "double those that are part of its text") from error


def _lines_of_open_cell(lines: List[str], delimiter: str) -> int:
    """In how many lines the last cell stands, whose quotes are not closed."""
    ended = [line.rstrip("\r\n") + "\n" for line in lines]
    row = next(csv.reader(ended, delimiter=delimiter), [""])
    return row[-1].count("\n")


def _json_rows(path: Path, columns: List[str]) -> Iterator[Row]:
    for line, text in read_lines(path, newline="\n"):
        if not text.strip():
            continue
        try:
            row = json.loads(text, object_pairs_hook=_to_object)
        except (ValueError, RecursionError) as error:
            raise bad_line(path, line, f"cannot read the JSON: {error}") from error
        if not isinstance(row, dict):
            problem = f"a JSON object is needed, found {reprlib.repr(row)}"
            raise bad_line(path, line, problem)
        missing = [name for name in columns if name not in row]
        if missing and line == 1:
            _require_columns(path, columns, row)
        if missing:
            raise bad_line(path, line, f"no key '{missing[0]}'")
        yield line, row


def _to_object(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    repeated = _repeated([name for name, _ in pairs])
    if repeated:
        raise ValueError(f"two keys are {repeated[0]!r}, rename one of them")
    return dict(pairs)


def _repeated(names: Sequence[str]) -> List[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _require_columns(path: Path, columns: List[str], found: Iterable[str]) -> None:
    found = list(found)
    for column in columns:
        if column not in found:
            raise ValueError(Errors.R402.format(path=path, column=column, found=found))


def _names(path: Path, line: int, value: Any, labels: Optional[Dict[str, str]]) -> List[str]:
    """The labels of a row from its label cell."""
    names = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, (dict, list)):
            problem = f"the label is {reprlib.repr(item)}, not a string or a number"
            raise bad_line(path, line, problem)
        name = "" if item is None else str(item).strip()
        if not name:
            raise bad_line(path, line, "no label")
        if labels is not None and name not in labels:
            problem = f"the label {name!r} is none of those to map: {list(labels)}"
            raise bad_line(path, line, problem)
        names.append(name if labels is None else labels[name])
    return names


def _is_true(path: Path, line: int, name: str, value: Any) -> bool:
    text = value if isinstance(value, str) else reprlib.repr(value)
    if text.strip().lower() in ("1", "1.0", "true"):
        return True
    if text.strip().lower() in ("0", "0.0", "false"):
        return False
    problem = f"column '{name}' is {reprlib.repr(value)}, not 0 or 1"
    raise bad_line(path, line, problem)
