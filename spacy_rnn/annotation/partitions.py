"""What is annotated at a time: a part of a file, which gives one file of the output."""

import contextlib
import io
import json
from itertools import count
from typing import Any, Iterator, NamedTuple, Optional, Sequence, Union

from ..corpus.cuts import Part, can_cut, cut_parquet, cut_text
from ..corpus.rows import ENDINGS, Fault, Layout, Row, Span, read_rows, require_header
from ..errors import Errors
from .inputs import InputFile


class Partition(NamedTuple):
    """Some rows of a file, one after the other.

    number: Its place, over all files. file: Where it is. part: Which part of it.
    """

    number: int
    file: InputFile
    part: Part

    def to_json(self) -> str:
        """As one line of JSON, which `partition_from_json` reads."""
        begin, end, span, rows = self.part
        data = [self.number, list(self.file), begin, end, list(span), rows]
        return json.dumps(data, ensure_ascii=False)


def partition_from_json(line: str) -> Partition:
    """What `Partition.to_json` has given."""
    number, file, begin, end, span, rows = json.loads(line)
    return Partition(number, InputFile(*file), Part(begin, end, Span(*span), rows))


def cut_files(
    files: Sequence[InputFile],
    layout: Layout,
    text_column: str,
    columns: Optional[Sequence[str]],
    rows: int,
) -> Iterator[Partition]:
    """Cut files into partitions, in one pass over each.

    Of a file that is compressed, or in an encoding of which no part can be read on its own, all is
    one partition, and nobody knows how many rows it has.

    layout: How they are written; formats are those of the files. text_column: Column of the text.
    columns: Those to read of Parquet; None for all. rows: How many a partition has at most.
    RAISES: ValueError for a table without the text column, or one that cannot be read.
    """
    numbers = count()
    for file in files:
        for part in _parts_of(file, layout, text_column, columns, rows):
            yield Partition(next(numbers), file, part)


def _parts_of(
    file: InputFile,
    layout: Layout,
    text_column: str,
    columns: Optional[Sequence[str]],
    rows: int,
) -> Iterator[Part]:
    layout = layout._replace(format=file.format)
    if file.format == "parquet":
        read = None if columns is None else list(dict.fromkeys([text_column, *columns]))
        with open_parquet(file) as opened:
            require_header(file.path, 1, [text_column], opened.schema_arrow.names)
            yield from cut_parquet(opened, read, rows)
        return
    # Settings that do not fit are refused, and so is a header without the column.
    with contextlib.closing(file.open()) as opened:
        next(read_rows(file.path, [text_column], layout, endings=ENDINGS, file=opened), None)
    if file.packed or not can_cut(file.format, layout.encoding):
        yield Part(0, None, Span(), None)
        return
    with contextlib.closing(file.open()) as opened:
        yield from cut_text(file.path, opened, layout, [text_column], rows)


@contextlib.contextmanager
def open_parquet(file: InputFile) -> Iterator[Any]:
    """A `pyarrow.parquet.ParquetFile`. RAISES: ValueError if it is none."""
    from pyarrow import ArrowException, parquet

    with contextlib.closing(file.open()) as opened:
        try:
            parquet_file = parquet.ParquetFile(opened)
        except ArrowException as error:
            problem = " ".join(str(error).split())
            raise ValueError(Errors.R417.format(path=file.path, error=problem)) from error
        with parquet_file:
            yield parquet_file


def read_partition(
    partition: Partition, layout: Layout, text_column: str
) -> Iterator[Union[Row, Fault]]:
    """The rows of a partition, as `read_rows` gives them for the whole file."""
    file, part = partition.file, partition.part
    with contextlib.closing(file.open()) as opened:
        data = opened
        if part.begin is not None and (part.begin or part.end is not None):
            data = io.BufferedReader(_Range(opened, part.begin, part.end))
        yield from read_rows(
            file.path,
            [text_column],
            layout._replace(format=file.format),
            endings=ENDINGS,
            file=data,
            span=part.span,
        )


class _Range(io.RawIOBase):
    """Some of the bytes of an open file. end: None for all that follow."""

    def __init__(self, file: Any, begin: int, end: Optional[int]) -> None:
        self._file = file
        self._left = None if end is None else end - begin
        file.seek(begin)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer) if self._left is None else min(len(buffer), self._left)
        data = self._file.read(size)
        if self._left is not None:
            if size and not data:
                raise OSError("the file has become shorter since it was cut into parts")
            self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)
