"""Files and folders that appear under their name when they are complete."""

import contextlib
import os
import shutil
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
    part = _part_of(path)
    try:
        yield part
        move_whole(part, path)
    finally:
        part.unlink(missing_ok=True)


def move_whole(part: Path, path: Path) -> None:
    """Move a file that is complete to its place, in one step. Both are on the same disk."""
    _sync(part)
    os.replace(part, path)
    _sync(path.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there as a whole or not at all."""
    with appears_whole(path) as part:
        part.write_bytes(data)


@contextlib.contextmanager
def folder_appears_whole(path: Path) -> Iterator[Path]:
    """As `appears_whole`, of a folder.

    No system moves a folder into the place of another one in one step, so that the old one makes
    room first. A process that is killed just then leaves it beside its place: `mend` puts it back.
    """
    mend(path)
    part = _part_of(path)
    try:
        yield part
        for written in [part, *part.rglob("*")]:
            _sync(written)
        if path.exists():
            path.rename(_old_of(path))
        part.rename(path)
        _sync(path.parent)
    finally:
        mend(path)


def mend(path: Path) -> None:
    """Clean up after a process that was killed while it wrote a file or folder: it is there as a
    whole then, as it was before or as it was to be. No other process may be writing it now."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        _remove(part)
    old = _old_of(path)
    if not old.exists():
        return
    if path.exists():
        _remove(old)
    else:
        old.rename(path)


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _old_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, have reached the disk: a machine that fails
    could lose them otherwise, although they were renamed."""
    if not path.is_dir():
        with path.open("r+b") as file:
            os.fsync(file.fileno())
    elif os.name == "posix":
        # Other systems do not open folders.
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
