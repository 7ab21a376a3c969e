"""Rows that cannot be used: said on stderr, and kept in a file."""

import json
import sys
from pathlib import Path
from typing import IO, Any, Optional

from tqdm.auto import tqdm

from ..annotation.faults import fault_to_json
from ..corpus.rows import Fault

# More than so many are in the file only.
SHOWN = 20


class BadRows:
    """Takes faults. The file is made with the first one, and each is in it at once, so that none
    is lost whatever happens later.

    path: The file of JSON lines to write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: Optional[IO[str]] = None

    def __enter__(self) -> "BadRows":
        return self

    def __exit__(self, *error: Any) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, fault: Fault) -> None:
        """Say where a row is and what is wrong with it, and write it to the file."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Half a character is written as JSON escapes it.
            self._file = self.path.open("w", encoding="utf8", errors="backslashreplace")
        self.count += 1
        if self.count <= SHOWN:
            say(f"{fault.path}, {fault.unit} {fault.line}: {fault.problem}")
        elif self.count == SHOWN + 1:
            say(f"... and more, see {self.path}")
        self._file.write(json.dumps(fault_to_json(fault), ensure_ascii=False) + "\n")
        self._file.flush()


def say(message: str) -> None:
    """Print to stderr, above a progress bar."""
    tqdm.write(message, file=sys.stderr)
