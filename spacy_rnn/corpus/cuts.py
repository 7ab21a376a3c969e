"""Where a file can be cut into parts that are read on their own, each with the rows that it has in
the whole file. One pass finds them, so that no part is read twice."""

import codecs
from collections import deque
from pathlib import Path
from typing import IO, Any, Deque, Iterator, List, NamedTuple, Optional, Tuple, Union

from .files import MAX_CHARS, require_encoding, to_bytes
from .rows import (
    DELIMITERS,
    Layout,
    Source,
    Span,
    csv_rows,
    long_cells,
    parse_delimiter,
    read_header,
)

# No character of UTF-8 has more bytes.
_MAX_BYTES = 4 * MAX_CHARS
_BOM = b"\xef\xbb\xbf"


class Part(NamedTuple):
    """A part of a file.

    begin, end: Its bytes; None of Parquet, and `end` of a part that goes to the end of the file.
    span: What `read_rows` takes. rows: How many it has, those that cannot be used among them.
    """

    begin: Optional[int]
    end: Optional[int]
    span: Span
    rows: Optional[int]


def can_cut(format: str, encoding: str) -> bool:
    """Whether a plain file can be read from the middle: where the byte of a line feed is nothing
    else, and what follows does not depend on what was before."""
    if format == "parquet":
        return True
    require_encoding(encoding)
    if codecs.lookup(encoding).name in ("utf-8", "ascii"):
        return True
    # Those with a character for each byte.
    half = bytes(range(128))
    upper = bytes(range(128, 256)).decode(encoding, "replace")
    is_ascii = half.decode(encoding, "replace") == half.decode("ascii")
    return is_ascii and len(upper) == 128 and upper.count("\ufffd") < 64


def cut_text(
    path: Union[Path, str], file: IO[bytes], layout: Layout, columns: List[str], rows: int
) -> Iterator[Part]:
    """Cut a file of text, JSON lines, CSV or TSV.

    file: The open file, not compressed. layout: With a format and an encoding that `can_cut`.
    columns: Columns of a table that must be there.
    rows: How many lines a part has at most, of a table rows; more where lines end in a carriage
        return alone.
    RAISES: ValueError for a header that cannot be read, or lacks a column.
    """
    if layout.format in DELIMITERS:
        delimiter = parse_delimiter(layout.delimiter) or DELIMITERS[str(layout.format)]
        return _cut_table(path, file, layout.encoding, delimiter, columns, rows)
    return _cut_lines(file, layout.format == "text", layout.encoding, rows)


def cut_parquet(file: Any, columns: Optional[List[str]], rows: int) -> Iterator[Part]:
    """Cut an open `pyarrow.parquet.ParquetFile`. columns: Those to read, None for all."""
    total = file.metadata.num_rows
    for first in range(0, total, rows):
        count = min(rows, total - first)
        yield Part(None, None, Span(first + 1, None, count, columns), count)


def _cut_lines(file: IO[bytes], universal: bool, encoding: str, rows: int) -> Iterator[Part]:
    """universal: Whether lines also end in a carriage return alone."""
    begin, end, first, line, taken = 0, 0, 1, 1, 0
    found: Optional[int] = 0
    for data, size in _raw_lines(file):
        if taken == rows:
            if found != 0:
                yield Part(begin, end, Span(first), found)
            begin, first, taken, found = end, line, 0, 0
        if not end and codecs.lookup(encoding).name == "utf-8":
            data = data.removeprefix(_BOM)
        end += size
        taken += 1
        lines = data.splitlines() if universal and b"\r" in data else [data]
        line += len(lines)
        if found is not None:
            # Nobody has looked for carriage returns in the rest of a line that is too long.
            known = not universal or size <= _MAX_BYTES
            filled = sum(not _is_blank(part, encoding) for part in lines)
            found = found + filled if known else None
    if found != 0:
        yield Part(begin, end, Span(first), found)


def _raw_lines(file: IO[bytes]) -> Iterator[Tuple[bytes, int]]:
    """Each line, of one that is too long its beginning, and how many bytes it has."""
    data = file.readline(_MAX_BYTES)
    while data:
        size, last = len(data), data
        while last and not last.endswith(b"\n"):
            last = file.readline(_MAX_BYTES)
            size += len(last)
        yield data, size
        data = file.readline(_MAX_BYTES)


def _is_blank(line: bytes, encoding: str) -> bool:
    """Whether a line has nothing but white space, as `str.strip` knows it."""
    begin = line.lstrip()[:1]
    if begin and 0x20 < begin[0] < 0x7F:
        return False
    return not line.decode(encoding, "replace").strip()


class _Measured(Source):
    """A source that knows where its lines begin, in bytes.

    begins: Of the lines from number `first` on; and the end of what was read.
    lost: True behind a line that is too long to be read as a whole: nobody knows where it ends.
    """

    def __init__(self, path: Union[Path, str], file: IO[bytes], encoding: str) -> None:
        super().__init__(path, file, encoding)
        begin = len(_BOM) if file.read(len(_BOM)) == _BOM else 0
        file.seek(0)
        utf8 = codecs.lookup(encoding).name == "utf-8"
        self.begins: Deque[int] = deque([begin if utf8 else 0])
        self.first = 1
        self.lost = False

    def lines(self, newline: Optional[str]) -> Iterator[str]:
        for line in super().lines(newline):
            self.lost = self.lost or len(line) > MAX_CHARS
            data = line if line.isascii() else to_bytes(line, self.encoding) or b""
            self.begins.append(self.begins[-1] + len(data))
            yield line

    def begin_of(self, line: int) -> int:
        """Where a line begins. Those before it are forgotten."""
        while self.first < line:
            self.begins.popleft()
            self.first += 1
        return self.begins[0]


def _cut_table(
    path: Union[Path, str],
    file: IO[bytes],
    encoding: str,
    delimiter: str,
    columns: List[str],
    rows: int,
) -> Iterator[Part]:
    source = _Measured(path, file, encoding)
    begin, span, found = 0, Span(), 0
    with long_cells():
        records = csv_rows(source, delimiter)
        header = read_header(source, records, columns)
        for record in records:
            at = source.begin_of(record.first)
            if found >= rows and not source.lost:
                yield Part(begin, at, span, found)
                begin, span, found = at, Span(record.first, header), 0
            found += 1
    if found:
        yield Part(begin, None, span, found)
