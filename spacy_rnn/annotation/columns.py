"""Columns of the output: those of the input that are kept, and those of annotations."""

import contextlib
import json
import reprlib
from itertools import islice
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..corpus.rows import (
    DELIMITERS,
    Layout,
    Row,
    Source,
    csv_rows,
    find_half_character,
    long_cells,
    parse_delimiter,
    read_header,
    read_rows,
)
from ..errors import Errors
from .inputs import InputFile
from .partitions import open_parquet
from .results import TAG_ATTRS, Writers

# Rows of JSON lines from which columns and their types are known.
SAMPLE = 1000


class Column(NamedTuple):
    """A column of the input, and its type in Arrow."""

    name: str
    type: Any


def find_columns(
    file: InputFile, layout: Layout, text_column: str, wanted: Optional[Sequence[str]]
) -> List[Column]:
    """The columns of the output that come from the input.

    file: The first one. wanted: Those to keep; None for all.
    RAISES: ValueError for one that it does not have, and, of JSON lines, for the column of the
        text if no line has it.
    """
    found = {column.name: column for column in _all_columns(file, layout, text_column)}
    for name in dict.fromkeys([text_column, *(wanted or ())]):
        if name not in found:
            names = ", ".join(found)
            raise ValueError(Errors.R853.format(path=file.path, column=name, found=names))
    return [found[name] for name in dict.fromkeys(wanted or found)]


def check_columns(
    files: Sequence[InputFile],
    layout: Layout,
    text_column: str,
    columns: Sequence[Column],
    keep: Optional[Sequence[str]],
) -> None:
    """Check that files fit into one table with the first one. Rows of JSON are checked one by one.

    columns: Those of the first file. keep: Those that are kept; None for all.
    RAISES: ValueError for a column that the first file does not have, or has with another type.
    """
    types = {column.name: column.type for column in columns}
    for file in files:
        if file.format == "jsonl":
            continue
        for name, of in _all_columns(file, layout, text_column):
            other = keep is None and name not in types
            if other or types.get(name, of) != of:
                facts = {"path": file.path, "column": name, "found": of}
                expected = types.get(name, "no such column")
                raise ValueError(Errors.R854.format(expected=expected, **facts))


def _all_columns(file: InputFile, layout: Layout, text_column: str) -> List[Column]:
    import pyarrow as pa

    if file.format == "parquet":
        with open_parquet(file) as opened:
            return [Column(field.name, field.type) for field in opened.schema_arrow]
    if file.format == "text":
        return [Column(text_column, pa.string())]
    with contextlib.closing(file.open()) as opened:
        if file.format in DELIMITERS:
            delimiter = parse_delimiter(layout.delimiter) or DELIMITERS[file.format]
            source = Source(file.path, opened, layout.encoding)
            with long_cells():
                header = read_header(source, csv_rows(source, delimiter), [text_column])
            return [Column(name, pa.string()) for name in header]
        rows = read_rows(file.path, [], layout._replace(format="jsonl"), file=opened)
        found = [row.cells for row in islice(rows, SAMPLE) if isinstance(row, Row)]
    names = list(dict.fromkeys(name for cells in found for name in cells))
    return [Column(name, _type_of([cells.get(name) for cells in found])) for name in names]


def _type_of(values: List[Any]) -> Any:
    """The type that fits values of JSON. What has several, or none, is a string."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds and kinds <= {int, float} else pa.string()


def to_type(value: Any, of: Any) -> Tuple[Any, Optional[str]]:
    """A value of the input as a column of Arrow's type `of` has it, and what keeps it from that,
    or None.

    What is no string becomes JSON in a column of strings. Else no value becomes another one.
    """
    import pyarrow as pa

    if value is None:
        return None, None
    if pa.types.is_string(of) or pa.types.is_large_string(of):
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        return text, find_half_character(text)
    problem = f"{reprlib.repr(value)} is not of the type {of}, as the first rows are"
    if type(value) not in _types_for(of, type(value)):
        return None, problem
    try:
        pa.scalar(value, type=of)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return None, problem
    return value, None


def _types_for(of: Any, otherwise: Any) -> Sequence[Any]:
    """Python's types of what a column of Arrow's type may hold, without losing anything."""
    import pyarrow as pa

    if pa.types.is_boolean(of):
        return (bool,)
    if pa.types.is_integer(of):
        return (int,)
    return (int, float) if pa.types.is_floating(of) else (otherwise,)


def result_columns(writers: Writers) -> List[Column]:
    """The columns of annotations, as components write them. See `results.Prediction`.

    Scores are a struct with a field for each label; a map, where components do not say their
    labels.
    """
    import pyarrow as pa

    columns = []
    if writers.cats:
        one = writers.threshold is None
        columns.append(Column("label", pa.string()) if one else _labels())
        if writers.abstaining:
            columns.append(Column("abstained", pa.bool_()))
        scores = pa.struct([(name, pa.float64()) for name in writers.labels])
        of = scores if writers.labels else pa.map_(pa.string(), pa.float64())
        columns.append(Column("cats", of))
    if writers.tags:
        token = pa.struct([(name, pa.string()) for name in ("text", *TAG_ATTRS)])
        columns.append(Column("tokens", pa.list_(token)))
    return columns


def _labels() -> Column:
    import pyarrow as pa

    return Column("labels", pa.list_(pa.string()))


def find_unknown_label(result: Dict[str, Any], writers: Writers) -> Optional[str]:
    """What keeps scores from having a column, or None."""
    for name in result.get("cats", {}):
        if writers.labels and name not in writers.labels:
            return f"'{name}' is not among the labels of the pipeline: write .jsonl"
    return None
