"""Files that are compressed, and those that are not: their bytes, as long as they can be read."""

import gzip
import io
import sys
import zipfile
from pathlib import Path
from typing import Any, Dict, Iterator, Pattern, Tuple

from ..errors import Errors

lzma: Any
try:
    import lzma
except ImportError:  # Python can be built without it.
    lzma = None

# What opens a compressed file, by its ending.
PACKED: Dict[str, Any] = {".gz": gzip.open}
if lzma is not None:
    PACKED[".xz"] = lzma.open
# How many times its size a file may unpack to, and how many bytes any file may: text compresses to
# a third or a tenth, and zeros to a thousandth.
MAX_GROWTH = 200
MAX_OF_SMALL = 2**26
BLOCK = 2**16


class Unreadable(Exception):
    """The rest of a file cannot be read; says why, and what to do."""


def open_binary(path: Path) -> Any:
    """The bytes of a file, unpacked if it ends in .gz or .xz, or in .zip and is one file.

    RAISES: ValueError for a .zip that is damaged, or holds several files. Reading raises
        `Unreadable` for a file that is damaged, or unpacks to more than `most_unpacked` bytes.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return unpacked(_open_zip(path), most_unpacked(path))
    if suffix in PACKED:
        return unpacked(PACKED[suffix](path, "rb"), most_unpacked(path))
    return open(path, "rb")


def open_members(path: Path, names: Pattern) -> Iterator[Tuple[str, Any]]:
    """The files of an archive .zip whose names match, one after the other, each with its name.

    RAISES: ValueError if it is damaged, or unpacks to more than `most_unpacked` bytes. Reading a
        damaged file raises `Unreadable`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if names.match(info.filename)]
            # No file gives more bytes than the archive says.
            fits = sum(info.file_size for info in infos) <= most_unpacked(path)
            for info in infos if fits else ():
                with unpacked(archive.open(info), info.file_size) as file:
                    yield info.filename, file
    except Exception as error:  # Damaged archives raise errors of many kinds.
        raise ValueError(Errors.R412.format(path=path, error=error)) from error
    if not fits:
        raise ValueError(Errors.R637.format(path=path, times=MAX_GROWTH))


def most_of(path: Path) -> int:
    """How many bytes a file has; of a compressed one, how many it may unpack to."""
    if path.suffix.lower() in (*PACKED, ".zip"):
        return most_unpacked(path)
    return path.stat().st_size if path.is_file() else sys.maxsize


def most_unpacked(path: Path) -> int:
    """How many bytes a file of this size may unpack to. Of a pipe, no size is known."""
    return most_for(path.stat().st_size) if path.is_file() else sys.maxsize


def most_for(size: int) -> int:
    """How many bytes a compressed file of `size` bytes may unpack to."""
    return max(size * MAX_GROWTH, MAX_OF_SMALL)


def unpacked(file: Any, most: int) -> Any:
    """What a file gives that unpacks as it is read.

    most: The number of bytes that it may give. See `open_binary`.
    """
    return io.BufferedReader(_Unpacked(file, most), BLOCK)


class _Unpacked(io.RawIOBase):
    def __init__(self, file: Any, most: int) -> None:
        self._file = file
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            count = self._file.readinto(buffer)
        except Exception as error:  # Each kind of compression raises its own.
            problem = f"the compressed file is damaged ({error}): copy or download it again"
            raise Unreadable(problem) from error
        self._left -= count
        if self._left < 0:
            problem = f"the file unpacks to more than {MAX_GROWTH} times its size, as no text "
            problem += "does: if it is what it should be, unpack it first"
            raise Unreadable(problem)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _open_zip(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
            if len(names) == 1:
                return archive.open(names[0])
    except Exception as error:  # Damaged archives raise errors of many kinds.
        raise ValueError(Errors.R412.format(path=path, error=error)) from error
    found = ", ".join(names) or "none"
    raise ValueError(Errors.R423.format(path=path, count=len(names), found=found))
