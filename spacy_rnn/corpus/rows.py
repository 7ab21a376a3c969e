"""Rows of tables and texts: CSV, TSV, JSON lines, Parquet, a text a line. A row that cannot be
read is a `Fault`, after which the rest goes on; who needs all rows calls `require_rows`."""

import contextlib
import csv
import json
import re
import reprlib
import threading
from collections import Counter, deque
from pathlib import Path
from typing import (
    IO,
    Any,
    Callable,
    Deque,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from ..errors import Errors
from .files import (
    MAX_CHARS,
    bad_line,
    find_bad_byte,
    find_line_problem,
    require_encoding,
    scan_lines,
    shorten,
    to_bytes,
)
from .packed import PACKED, Unreadable, open_binary

DELIMITERS = {"csv": ",", "tsv": "\t"}
# Formats of tables by the endings of their files; all but Parquet also with .gz or .xz.
TABLE_ENDINGS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".parquet": "parquet"}
ENDINGS = {".txt": "text", **TABLE_ENDINGS}
# How many lines a row may have, whose cells in quotes go over several. A quote that is not closed
# takes no more before it is said.
MAX_LINES = 2**20
# Rows of a Parquet file that are read at once.
PARQUET_ROWS = 1000
# Half of a character, which JSON can escape and UTF-8 cannot encode.
_SURROGATE = re.compile("[\ud800-\udfff]")


class Fault(NamedTuple):
    """What cannot be read.

    path, unit, line: Where it stands: in which file, and in which "line", or "row" of Parquet.
    problem: What is wrong with it.
    raw: How it is written; bytes that are no text are escaped as in `\\xff`.
    raw_bytes: The same as bytes, if there are such.
    """

    path: str
    line: int
    problem: str
    raw: str
    raw_bytes: Optional[bytes] = None
    unit: str = "line"

    def to_error(self) -> ValueError:
        return bad_line(self.path, self.line, self.problem, self.unit)


class Row(NamedTuple):
    """One row: where it begins, its cells by the names of their columns, and how it is written."""

    path: str
    line: int
    cells: Dict[str, Any]
    raw: str
    unit: str = "line"

    def fault(self, problem: str) -> Fault:
        """The row as one that cannot be used."""
        return Fault(self.path, self.line, shorten(problem), self.raw, unit=self.unit)


class Layout(NamedTuple):
    """How a table is written.

    format: "csv", "tsv", "jsonl", "parquet" or "text"; None for what the file's ending says.
    delimiter: What stands between cells, also "tab"; None for a comma in CSV, a tab in TSV.
    encoding: One of Python's. Of UTF-8, a byte order mark is left out.
    """

    format: Optional[str] = None
    delimiter: Optional[str] = None
    encoding: str = "utf-8"


class Span(NamedTuple):
    """A part of a file, which begins and ends where rows do.

    line: The number of its first line, or of its first row in Parquet.
    header: The columns of a CSV whose header is not in the part.
    size: How many rows of Parquet; None for all.
    columns: Which columns of Parquet to read; None for all.
    """

    line: int = 1
    header: Optional[List[str]] = None
    size: Optional[int] = None
    columns: Optional[List[str]] = None


def read_rows(
    path: Union[Path, str],
    columns: List[str],
    layout: Layout = Layout(),
    *,
    endings: Dict[str, str] = TABLE_ENDINGS,
    file: Optional[IO[bytes]] = None,
    span: Span = Span(),
) -> Iterator[Union[Row, Fault]]:
    """The rows of a file that are not blank, one by one.

    path: A file, plain, .gz or .xz.
    columns: Columns that must be there. Lines of text are cells of the first one.
    endings: The formats to choose from, by endings of files.
    file: The open file; None opens `path`.
    span: What part of it to read. Of all formats but Parquet, `file` gives no more than that.
    RAISES: ValueError for an unknown ending or encoding, a delimiter or encoding of what has
        none, a header that cannot be read, or lacks a column, or has one twice.
    """
    format = layout.format or format_of(path, endings)
    require_encoding(layout.encoding)
    if format == "parquet":
        _refuse(path, "delimiter", layout.delimiter, ".csv and .tsv")
        encoding = None if layout.encoding.lower() in ("utf-8", "utf8") else layout.encoding
        _refuse(path, "encoding", encoding, "files of text")
        return _parquet_rows(path, columns, file, span)
    if format not in DELIMITERS:
        _refuse(path, "delimiter", layout.delimiter, ".csv and .tsv")
    delimiter = parse_delimiter(layout.delimiter) or DELIMITERS.get(format, "")
    source = Source(path, file, layout.encoding, span.line)
    return _text_rows(source, format, columns, delimiter, span.header)


def format_of(path: Union[Path, str], endings: Dict[str, str]) -> str:
    """The format that a file's ending says, before .gz or .xz.

    RAISES: ValueError for another ending.
    """
    parts = [part.lower() for part in Path(path).suffixes]
    packed = "".join(parts[-1:]) in PACKED
    ending = "".join(parts[-2:-1] if packed else parts[-1:])
    if ending not in endings or (packed and endings[ending] == "parquet"):
        *others, last = endings
        allowed = " or ".join(filter(None, (", ".join(others), last)))
        raise ValueError(Errors.R406.format(path=path, endings=allowed))
    return endings[ending]


def parse_delimiter(name: Optional[str]) -> Optional[str]:
    """The character that a delimiter is called by; None for None.

    RAISES: ValueError if it is not a single character.
    """
    found = "\t" if name in ("tab", "\\t") else name
    if found is not None and (len(found) != 1 or found in '"\r\n'):
        raise ValueError(Errors.R414.format(found=repr(name)))
    return found


def require_rows(rows: Iterable[Union[Row, Fault]]) -> Iterator[Row]:
    """All rows. RAISES: ValueError for the first fault."""
    for row in rows:
        if isinstance(row, Fault):
            raise row.to_error()
        yield row


def find_problem(
    row: Row,
    column: str,
    max_length: Optional[int] = None,
    clean: Callable[[str], str] = str,
) -> Optional[str]:
    """What is wrong with the text of a row, or None.

    max_length: Characters it may have, None for any number.
    clean: Makes the text that is counted of a longer one.
    """
    text = row.cells[column]
    if not isinstance(text, str):
        return f"the text is {reprlib.repr(text)}, not a string"
    if max_length is not None and len(text) > max_length and len(clean(text)) > max_length:
        return f"the text has {len(text)} characters, more than nlp.max_length = {max_length}"
    return find_half_character(text)


def find_half_character(text: str) -> Optional[str]:
    """What is wrong with a text that cannot be encoded, or None."""
    half = _SURROGATE.search(text)
    if half is None:
        return None
    return f"{half.group()!r} is half of a character: write it with its other half"


def _refuse(path: Union[Path, str], name: str, value: Optional[str], formats: str) -> None:
    if value is not None:
        raise ValueError(Errors.R415.format(path=path, name=name, formats=formats))


class Source:
    """A file that is being read: its lines, and how many of them have been read.

    first: The number of its first line, of a file that does not give its beginning.
    """

    def __init__(
        self, path: Union[Path, str], file: Optional[IO[bytes]], encoding: str, first: int = 1
    ) -> None:
        self.path = path
        self.encoding = encoding
        self.number = first - 1
        self._file = file

    def lines(self, newline: Optional[str]) -> Iterator[str]:
        """The lines. RAISES: as `scan_lines`."""
        file = self._file or open_binary(Path(self.path))
        from_start = not self.number
        try:
            for line in scan_lines(file, newline, self.encoding, from_start=from_start):
                self.number += 1
                yield line
        finally:
            if self._file is None:
                file.close()

    def fault(self, line: int, problem: str, raw: str) -> Fault:
        raw = raw.rstrip("\r\n")
        data = to_bytes(raw, self.encoding) if find_bad_byte(raw) else None
        return Fault(str(self.path), line, shorten(problem), _readable(raw), data)

    def row(self, line: int, cells: Dict[str, Any], raw: str) -> Row:
        return Row(str(self.path), line, cells, raw.rstrip("\r\n"))


def _readable(raw: str) -> str:
    """Bytes that are no text as escapes."""
    escaped = (f"\\x{ord(char) & 0xFF:02x}" if _SURROGATE.match(char) else char for char in raw)
    return "".join(escaped) if _SURROGATE.search(raw) else raw


def _text_rows(
    source: Source,
    format: str,
    columns: List[str],
    delimiter: str,
    header: Optional[List[str]],
) -> Iterator[Union[Row, Fault]]:
    """Rows of all formats that are text. Where the rest cannot be read, a fault ends them."""
    try:
        if format == "jsonl":
            yield from _json_rows(source, columns)
        elif format == "text":
            yield from _plain_rows(source, columns[0])
        else:
            yield from _delimited_rows(source, columns, delimiter, header)
    except Unreadable as error:
        yield source.fault(source.number + 1, str(error), "")


def _plain_rows(source: Source, column: str) -> Iterator[Union[Row, Fault]]:
    for line in source.lines(None):
        problem = find_line_problem(line, source.encoding)
        if problem is not None:
            yield source.fault(source.number, problem, line)
        elif line.strip():
            yield source.row(source.number, {column: line.rstrip("\n")}, line)


def _json_rows(source: Source, columns: List[str]) -> Iterator[Union[Row, Fault]]:
    for line in source.lines("\n"):
        if not line.strip():
            continue
        row: Any = None
        problem = find_line_problem(line, source.encoding)
        if problem is None:
            row, problem = _parse_json(line, columns)
        if problem is None:
            yield source.row(source.number, row, line)
        else:
            yield source.fault(source.number, problem, line)


def _parse_json(line: str, columns: List[str]) -> Tuple[Any, Optional[str]]:
    """The object of a line, and what is wrong with it, or None."""
    try:
        row = json.loads(line, object_pairs_hook=_to_object)
    except (ValueError, RecursionError) as error:
        return None, f"cannot read the JSON: {error}"
    if not isinstance(row, dict):
        return None, f"a JSON object is needed, found {reprlib.repr(row)}"
    missing = [name for name in columns if name not in row]
    if missing:
        return None, f"no key '{missing[0]}'. Its keys are: {list(row)}"
    return row, None


def _to_object(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    repeated = _repeated([name for name, _ in pairs])
    if repeated:
        raise ValueError(f"two keys are {repeated[0]!r}, rename one of them")
    return dict(pairs)


def _delimited_rows(
    source: Source, columns: List[str], delimiter: str, header: Optional[List[str]]
) -> Iterator[Union[Row, Fault]]:
    with long_cells():
        rows = csv_rows(source, delimiter)
        if header is None:
            header = read_header(source, rows, columns)
        for row in rows:
            raw, problem = "".join(row.lines), row.problem
            if problem is None and len(row.cells) != len(header):
                problem = f"{len(row.cells)} columns, where the header has {len(header)}"
            if problem is not None:
                yield source.fault(row.line, problem, raw)
            else:
                yield source.row(row.line, dict(zip(header, row.cells)), raw)


def read_header(source: Source, rows: Iterator["CsvRow"], columns: List[str]) -> List[str]:
    """The columns of a CSV, its first row. columns: Those that must be there.

    RAISES: ValueError if it cannot be read, or lacks a column, or has one twice.
    """
    row = next(rows, None)
    if row is None:
        require_columns(source.path, columns, [])
        return []
    if row.problem is not None:
        raise source.fault(row.line, row.problem, "".join(row.lines)).to_error()
    require_header(source.path, row.line, columns, row.cells)
    return row.cells


class _LongCells:
    """Python's limit of a cell in CSV, 128 KiB, is raised while some table is read."""

    lock = threading.RLock()
    tables = 0
    limit = 0


@contextlib.contextmanager
def long_cells() -> Iterator[None]:
    state = _LongCells
    with state.lock:
        if not state.tables:
            state.limit = csv.field_size_limit(MAX_CHARS)
        state.tables += 1
    try:
        yield
    finally:
        with state.lock:
            state.tables -= 1
            if not state.tables:
                csv.field_size_limit(state.limit)


class CsvRow(NamedTuple):
    """A row of CSV: the numbers of its first line, and of the one at fault, or else the first; its
    lines; its cells; and what is wrong with it."""

    first: int
    line: int
    lines: List[str]
    cells: List[str]
    problem: Optional[str]


def csv_rows(source: Source, delimiter: str) -> Iterator[CsvRow]:
    """Each row that is not empty. A cell in quotes that does not end as it should makes a fault
    of its row up to the line where it begins; the lines that it has swallowed are read again."""
    lines = source.lines("")
    again: Deque[str] = deque()
    taken: List[str] = []  # Of the row that is being read.
    size = 0
    first = source.number + 1

    def take() -> Iterator[str]:
        nonlocal size
        line = "-"
        while line:
            # An empty line at the end: also there, the last one taken is the one at fault.
            line = again.popleft() if again else next(lines, "")
            taken.append(line)
            size += len(line)
            if size > MAX_CHARS or len(taken) > MAX_LINES:
                raise csv.Error(
                    f"the row has more than {MAX_CHARS:,} characters or {MAX_LINES:,} lines"
                )
            yield line

    while True:
        taken.clear()
        size = 0
        try:
            for cells in csv.reader(take(), delimiter=delimiter, strict=True):
                if cells:
                    yield _check_bytes(source, first, list(taken), cells)
                first += len(taken)
                taken.clear()
                size = 0
            return
        except csv.Error as error:
            count = len(taken) - _lines_of_open_cell(taken[:-1], delimiter)
            problem = f"a malformed cell in quotes begins here ({error}): close its quotes, and "
            problem += "double those that are part of its text"
            if len(taken[0]) > MAX_CHARS:
                problem = find_line_problem(taken[0]) or problem
            yield CsvRow(first, first + count - 1, taken[:count], [], problem)
            first += count
            again.extendleft(reversed([line for line in taken[count:] if line]))


def _check_bytes(source: Source, first: int, lines: List[str], cells: List[str]) -> CsvRow:
    for line, text in enumerate(lines, start=first):
        problem = find_bad_byte(text, source.encoding)
        if problem is not None:
            return CsvRow(first, line, lines, cells, problem)
    return CsvRow(first, first, lines, cells, None)


def _lines_of_open_cell(lines: List[str], delimiter: str) -> int:
    """In how many lines the last cell stands, whose quotes are not closed."""
    ended = [line.rstrip("\r\n") + "\n" for line in lines]
    row = next(csv.reader(ended, delimiter=delimiter), [""])
    return row[-1].count("\n")


def _parquet_rows(
    path: Union[Path, str], columns: List[str], file: Optional[IO[bytes]], span: Span
) -> Iterator[Union[Row, Fault]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ImportError(Errors.R416.format(path=path)) from error
    try:
        with parquet.ParquetFile(file or path) as opened:
            require_header(path, 1, columns, opened.schema_arrow.names)
            rows = (cells for batch in _parquet_batches(opened, span) for cells in batch)
            for line, cells in enumerate(rows, start=span.line):
                raw = json.dumps(cells, ensure_ascii=False, default=str)
                yield Row(str(path), line, cells, raw, unit="row")
    except ArrowException as error:
        problem = " ".join(str(error).split())
        raise ValueError(Errors.R417.format(path=path, error=problem)) from error


def _parquet_batches(file: Any, span: Span) -> Iterator[List[Dict[str, Any]]]:
    """The rows of a part, some at a time. Of row groups that lie elsewhere nothing is read."""
    begin = span.line - 1
    end = file.metadata.num_rows if span.size is None else begin + span.size
    first = 0
    for group in range(file.num_row_groups):
        last = first + file.metadata.row_group(group).num_rows
        if first < end and begin < last:
            for batch in file.iter_batches(PARQUET_ROWS, [group], columns=span.columns):
                skipped = max(begin - first, 0)
                wanted = batch.slice(skipped, max(end - first - skipped, 0))
                if wanted.num_rows:
                    yield wanted.to_pylist()
                first += batch.num_rows
                if first >= end:
                    return
        first = last


def _repeated(names: Sequence[str]) -> List[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def require_header(
    path: Union[Path, str], line: int, columns: List[str], header: List[str]
) -> None:
    for name in _repeated(header):
        # Several columns without a name, as of empty cells, are no harm.
        if name or name in columns:
            raise bad_line(path, line, f"two columns are called '{name}': rename one of them")
    require_columns(path, columns, header)


def require_columns(path: Union[Path, str], columns: List[str], found: List[str]) -> None:
    for column in columns:
        if column not in found:
            names = shorten(str(found))
            raise ValueError(Errors.R402.format(path=path, column=column, found=names))
