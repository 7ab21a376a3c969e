"""Files of text: what all readers share. Errors name the file and the line."""

import codecs
import io
import re
from pathlib import Path
from typing import IO, Iterator, Optional, Tuple, Union

from ..errors import Errors
from .packed import Unreadable, open_binary

# How many characters are read as one: a line, a row of a table, a file that is one text. A text of
# spaCy has up to a million (nlp.max_length); a file may escape each, and have markup around them.
MAX_CHARS = 2**24
# How much of what is wrong with a line is said.
MAX_PROBLEM = 1000
# Bytes that are no text are read as characters that no valid text has: half of a pair each.
_BYTES_AS_CHARS = "spacy-rnn.bytes_as_chars"
_FIRST_BYTE = 0xDC00
_BAD_BYTE = re.compile("([\udc00-\udcff])")


def _bytes_as_chars(error: UnicodeError) -> Tuple[str, int]:
    """Python's `surrogateescape`, for all bytes, and so for any encoding."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(chr(_FIRST_BYTE + byte) for byte in found), error.end


codecs.register_error(_BYTES_AS_CHARS, _bytes_as_chars)


def require_path(path: Path, hint: str) -> None:
    """RAISES: FileNotFoundError that says what to do, if there is nothing at `path`."""
    if not path.exists():
        raise FileNotFoundError(Errors.R401.format(path=path, hint=hint))


def bad_line(path: Union[Path, str], line: int, problem: str, unit: str = "line") -> ValueError:
    return ValueError(Errors.R403.format(path=path, unit=unit, line=line, problem=shorten(problem)))


def shorten(problem: str) -> str:
    """What is wrong, without the middle if it quotes much of a file."""
    half = MAX_PROBLEM // 2
    return problem if len(problem) <= MAX_PROBLEM else f"{problem[:half]} ... {problem[-half:]}"


def require_encoding(name: str) -> None:
    """RAISES: ValueError if Python knows no encoding of text of that name, or none that files
    are written in."""
    try:
        "".encode(name)
        # Encodings of names of hosts cannot go on after bytes that are no text.
        codecs.getincrementaldecoder(name)(_BYTES_AS_CHARS).decode(b"a")
    except (LookupError, UnicodeError) as error:
        raise ValueError(Errors.R413.format(encoding=name)) from error


def read_text(path: Path) -> str:
    """A whole file. See `read_lines`."""
    with open_binary(path) as file:
        return decode_text(path, file)


def decode_text(path: Union[Path, str], file: IO[bytes]) -> str:
    """An open file as a whole. See `read_lines`.

    RAISES: ValueError if it has more than `MAX_CHARS` characters.
    """
    lines, size = [], 0
    for number, line in decode_lines(path, file):
        lines.append(line)
        size += len(line)
        if size > MAX_CHARS:
            raise bad_line(path, number, f"the file has more than {MAX_CHARS:,} characters")
    return "".join(lines)


def read_lines(path: Path, newline: Optional[str] = None) -> Iterator[Tuple[int, str]]:
    """The lines of a file in UTF-8, plain or compressed, each with its number.

    newline: Where lines end, as for Python's `open`.
    RAISES: ValueError for a line that is not UTF-8 or too long, and for a damaged .gz or .xz.
    """
    with open_binary(path) as file:
        yield from decode_lines(path, file, newline)


def decode_lines(
    path: Union[Path, str], file: IO[bytes], newline: Optional[str] = None
) -> Iterator[Tuple[int, str]]:
    """The lines of an open file. See `read_lines`."""
    number = 0
    try:
        for number, line in enumerate(scan_lines(file, newline), start=1):
            problem = find_line_problem(line)
            if problem is not None:
                raise bad_line(path, number, problem)
            yield number, line
    except Unreadable as error:
        raise bad_line(path, number + 1, str(error)) from error


def scan_lines(
    file: IO[bytes],
    newline: Optional[str] = None,
    encoding: str = "utf-8",
    *,
    from_start: bool = True,
) -> Iterator[str]:
    """The lines of an open file, also those that cannot be used, which `find_line_problem` finds:
    with bytes that are not of the encoding, which `to_bytes` writes again; and those of more than
    `MAX_CHARS` characters, of which the rest is left out.

    newline: Where lines end, as for Python's `open`.
    encoding: Of UTF-8, a byte order mark is left out.
    from_start: Whether this is the beginning of the file, where a byte order mark may be.
    RAISES: `Unreadable`, after the lines before, where the rest of the file is so.
    """
    if from_start and codecs.lookup(encoding).name == "utf-8":
        encoding = "utf-8-sig"
    text = io.TextIOWrapper(file, encoding, errors=_BYTES_AS_CHARS, newline=newline)
    ends = ("\n", "\r") if newline == "" else ("\n",)
    try:
        line = text.readline(MAX_CHARS + 1)
        while line:
            yield line
            while len(line) > MAX_CHARS and not line.endswith(ends):
                line = text.readline(MAX_CHARS + 1)
            line = text.readline(MAX_CHARS + 1)
    except UnicodeError as error:
        # UTF-16 and UTF-32 have to begin with a byte order mark.
        raise Unreadable(f"{error}: set another encoding") from error
    finally:
        # Whoever opened the file closes it.
        if not file.closed:
            text.detach()


def find_line_problem(line: str, encoding: Optional[str] = None) -> Optional[str]:
    """What is wrong with a line of `scan_lines`, or None. encoding: As for `find_bad_byte`."""
    if len(line) > MAX_CHARS:
        return f"the line has more than {MAX_CHARS:,} characters: is the file of this format?"
    return find_bad_byte(line, encoding)


def find_bad_byte(line: str, encoding: Optional[str] = None) -> Optional[str]:
    """The first byte of a line of `scan_lines` that is no text, and what to do, or None.

    encoding: The one that was set; None where files are always UTF-8, and none can be set.
    """
    found = _BAD_BYTE.search(line)
    if found is None:
        return None
    name = (encoding or "UTF-8").upper()
    if encoding is None:
        advice = "save the file in UTF-8"
    elif name == "UTF-8":
        advice = "set its encoding, or save it in UTF-8"
    else:
        advice = "set another encoding"
    return f"the byte {ord(found.group()) - _FIRST_BYTE:02x} is not {name}: {advice}"


def to_bytes(line: str, encoding: str = "utf-8") -> Optional[bytes]:
    """The bytes that `scan_lines` has read as a line; None where the encoding cannot
    write what it has read."""
    parts = (
        bytes([ord(part) - _FIRST_BYTE]) if _BAD_BYTE.match(part) else part.encode(encoding)
        for part in _BAD_BYTE.split(line)
    )
    try:
        return b"".join(parts)
    except UnicodeEncodeError:
        return None
