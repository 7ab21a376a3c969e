"""Files that appear under their name when they are complete."""

import contextlib
import os
from pathlib import Path
from typing import Iterator

from .errors import Errors


@contextlib.contextmanager
def appears_whole(path: Path) -> Iterator[Path]:
    """Give a path beside another one, to write to. At the end it takes the other's place; after
    an error it is removed, and what was there before stays.

    RAISES: ValueError if the path is a folder.
    """
    if path.is_dir():
        raise ValueError(Errors.R604.format(path=path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there as a whole or not at all."""
    with appears_whole(path) as part:
        part.write_bytes(data)
