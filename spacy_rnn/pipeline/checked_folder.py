"""Loading a component from a folder that may be damaged."""

from pathlib import Path
from typing import Any, Iterable, Union

import srsly
from spacy.util import ensure_path

from ..errors import Errors


class CheckedFolder:
    """A mixin for trainable components: loading names the file that is at fault."""

    name: str

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> Any:
        """Load the component from a directory.

        RAISES: ValueError that names the file, if one is missing or corrupt.
        """
        folder = ensure_path(path)
        for name in ("cfg", "model"):
            if name not in exclude and not (folder / name).exists():
                raise self._damaged(folder / name, "missing")
        if "cfg" not in exclude:
            try:
                srsly.read_json(folder / "cfg")
            except ValueError as error:
                raise self._damaged(folder / "cfg", f"corrupt: {error}") from error
        try:
            return super().from_disk(folder, exclude=exclude)  # type: ignore[misc]
        except Exception as error:
            problem = f"corrupt: {type(error).__name__}: {error}"
            raise self._damaged(folder / "model", problem) from error

    def _damaged(self, path: Path, problem: str) -> ValueError:
        return ValueError(Errors.R308.format(name=self.name, path=path, problem=problem))
