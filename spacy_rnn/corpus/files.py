"""Files of text: what all readers share. Errors name the file and the line."""

import gzip
import io
import re
import zlib
from pathlib import Path
from typing import IO, Any, Iterator, Optional, Tuple, Union

from ..errors import Errors

# How the bytes that are not UTF-8 are read; no valid text has these characters.
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


def require_path(path: Path, hint: str) -> None:
    """RAISES: FileNotFoundError that says what to do, if there is nothing at `path`."""
    if not path.exists():
        raise FileNotFoundError(Errors.R401.format(path=path, hint=hint))


def bad_line(path: Union[Path, str], line: int, problem: str) -> ValueError:
    return ValueError(Errors.R403.format(path=path, line=line, problem=problem))


def read_text(path: Path) -> str:
    """A whole file. See `read_lines`."""
    return "".join(line for _, line in read_lines(path))


def read_lines(path: Path, newline: Optional[str] = None) -> Iterator[Tuple[int, str]]:
    """The lines of a file in UTF-8, plain or .gz, each with its number.

    newline: Where lines end, as for Python's `open`.
    RAISES: ValueError for a line that is not UTF-8, and for a damaged .gz.
    """
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        yield from decode_lines(path, file, newline)


def decode_lines(
    path: Union[Path, str], file: IO[bytes], newline: Optional[str] = None
) -> Iterator[Tuple[int, str]]:
    """The lines of an open file. See `read_lines`."""
    number = 0
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline=newline)
    try:
        for number, line in enumerate(text, start=1):
            escaped = _ESCAPED_BYTE.search(line)
            if escaped is not None:
                byte = escaped.group().encode("utf8", "surrogateescape").hex()
                problem = f"the byte {byte} is not UTF-8: save the file in UTF-8"
                raise bad_line(path, number, problem)
            yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        problem = f"the compressed file is damaged ({error}): copy or download it again"
        raise bad_line(path, number + 1, problem) from error
