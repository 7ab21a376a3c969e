"""The folder of a search, into which several processes write."""

import contextlib
from pathlib import Path
from typing import Iterator

from optuna.storages.journal import JournalFileOpenLock

# Seconds after which a lock is of a process that was killed: it is never held for long.
LONGEST = 60


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within the context, no other process is within one of the same folder, on any machine that
    has the folder."""
    lock = JournalFileOpenLock(str(folder / "search"), grace_period=LONGEST)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
