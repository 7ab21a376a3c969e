"""Files of text: what all readers share. Errors name the file and the line."""

import codecs
import gzip
import io
import re
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Dict, Iterator, Optional, Tuple, Union

from ..errors import Errors

lzma: Any
try:
    import lzma
except ImportError:  # Python can be built without it.
    lzma = None

# Bytes that are no text are read as characters that no valid text has: half of a pair each.
_BYTES_AS_CHARS = "spacy-rnn.bytes_as_chars"
_FIRST_BYTE = 0xDC00
_BAD_BYTE = re.compile("([\udc00-\udcff])")
# What opens a compressed file, by its ending, and what is raised where one is damaged.
PACKED: Dict[str, Any] = {".gz": gzip.open}
DAMAGED: Tuple[Any, ...] = (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile)
if lzma is not None:
    PACKED[".xz"] = lzma.open
    DAMAGED = (*DAMAGED, lzma.LZMAError)


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
    return ValueError(Errors.R403.format(path=path, unit=unit, line=line, problem=problem))


def require_encoding(name: str) -> None:
    """RAISES: ValueError if Python knows no encoding of text of that name."""
    try:
        "".encode(name)
    except (LookupError, UnicodeError) as error:
        raise ValueError(Errors.R413.format(encoding=name)) from error


def read_text(path: Path) -> str:
    """A whole file. See `read_lines`."""
    return "".join(line for _, line in read_lines(path))


def read_lines(path: Path, newline: Optional[str] = None) -> Iterator[Tuple[int, str]]:
    """The lines of a file in UTF-8, plain or compressed, each with its number.

    newline: Where lines end, as for Python's `open`.
    RAISES: ValueError for a line that is not UTF-8, and for a damaged .gz or .xz.
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
            problem = find_bad_byte(line)
            if problem is not None:
                raise bad_line(path, number, problem)
            yield number, line
    except DAMAGED as error:
        raise bad_line(path, number + 1, damaged(error)) from error


def open_binary(path: Path) -> Any:
    """The bytes of a file, unpacked if it ends in .gz or .xz, or in .zip and is one file.

    RAISES: ValueError for a .zip that is damaged, or holds several files.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return _open_zip(path)
    return PACKED.get(suffix, open)(path, "rb")


def _open_zip(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
            if len(names) != 1:
                found = ", ".join(names) or "none"
                raise ValueError(Errors.R423.format(path=path, count=len(names), found=found))
            return archive.open(names[0])
    except zipfile.BadZipFile as error:
        raise ValueError(Errors.R412.format(path=path, error=error)) from error


def scan_lines(
    file: IO[bytes], newline: Optional[str] = None, encoding: str = "utf-8"
) -> Iterator[str]:
    """The lines of an open file, also those with bytes that are not of the encoding, which
    `find_bad_byte` finds in them, and `to_bytes` writes again.

    newline: Where lines end, as for Python's `open`.
    encoding: Of UTF-8, a byte order mark is left out.
    RAISES: One of `DAMAGED` for a damaged .gz or .xz, after the lines before.
    """
    if codecs.lookup(encoding).name == "utf-8":
        encoding = "utf-8-sig"
    text = io.TextIOWrapper(file, encoding, errors=_BYTES_AS_CHARS, newline=newline)
    try:
        yield from text
    finally:
        # Whoever opened the file closes it.
        if not file.closed:
            text.detach()


def find_bad_byte(line: str, encoding: str = "utf-8") -> Optional[str]:
    """What is wrong with a line of `scan_lines`: None, or the first byte that is no text."""
    found = _BAD_BYTE.search(line)
    if found is None:
        return None
    name = encoding.upper()
    advice = "set its encoding, or save it in UTF-8" if name == "UTF-8" else "set another encoding"
    return f"the byte {ord(found.group()) - _FIRST_BYTE:02x} is not {name}: {advice}"


def to_bytes(line: str, encoding: str = "utf-8") -> bytes:
    """The bytes that `scan_lines` has read as a line."""
    parts = _BAD_BYTE.split(line)
    parts_as_bytes = (
        bytes([ord(part) - _FIRST_BYTE]) if _BAD_BYTE.match(part) else part.encode(encoding)
        for part in parts
    )
    return b"".join(parts_as_bytes)


def damaged(error: Exception) -> str:
    """What is wrong with a .gz or .xz that raises an error."""
    return f"the compressed file is damaged ({error}): copy or download it again"
