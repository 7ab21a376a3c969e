"""Files that are annotated: where they are, and how they are written."""

import re
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..corpus.packed import PACKED, most_for, open_binary, unpacked
from ..corpus.rows import ENDINGS, format_of
from ..errors import Errors
from .addresses import is_local, locate

# What shows that a path is a pattern.
WILDCARDS = re.compile(r"[*?\[]")
HINT = "Check the path, and that the folder is there."


class InputFile(NamedTuple):
    """A file to read.

    path: Its absolute path, or its URL. format: "text", "jsonl", "csv", "tsv" or "parquet".
    size: Bytes. modified: When it was changed last, as text; None where nobody knows.
    """

    path: str
    format: str
    size: int
    modified: Optional[str]

    @property
    def packed(self) -> bool:
        return Path(self.path).suffix.lower() in PACKED

    def open(self) -> Any:
        """Its bytes, unpacked. Reading raises `Unreadable` as that of `packed.open_binary`."""
        system, path = locate(self.path)
        if is_local(system):
            return open_binary(Path(path))
        file = system.open(path, "rb")
        if not self.packed:
            return file
        unpacker = PACKED[Path(self.path).suffix.lower()]
        return unpacked(unpacker(file, "rb"), most_for(self.size))


def find_inputs(
    urls: Sequence[str], format: Optional[str] = None, *, output: str = ""
) -> List[InputFile]:
    """The files of paths and URLs, each once, in the order given; those of a folder or pattern by
    their names.

    urls: Files, folders (all files in them, also deeper, whose ending says a format, but for
        those whose names begin with "." or "_"), and patterns with *, ** or ?.
    format: Of all files; None for what their endings say.
    output: The folder that is written, in which nothing is looked for.
    RAISES: FileNotFoundError for what is not there; ValueError for a file of an unknown ending, a
        folder or pattern without any file, and for a URL that fsspec does not know.
    """
    found: Dict[str, InputFile] = {}
    inside = locate(output)[1].rstrip("/") + "/" if output else None
    for url in urls:
        system, path = locate(url)
        for name in _names_of(url, system, path, format, inside):
            of = format or format_of(name, ENDINGS)
            address = name if is_local(system) else system.unstrip_protocol(name)
            found.setdefault(address, InputFile(address, of, *_state(system, name)))
    return list(found.values())


def _names_of(
    url: str, system: Any, path: str, format: Optional[str], inside: Optional[str]
) -> List[str]:
    """The files of a path or URL. inside: What their paths begin with that are not read."""
    if system.isfile(path):
        return [path]
    is_folder = system.isdir(path)
    if not is_folder and not WILDCARDS.search(path):
        raise FileNotFoundError(Errors.R401.format(path=url, hint=HINT))
    if is_folder:
        names = system.find(path)
    else:
        names = [name for name in system.glob(path) if system.isfile(name)]
    folder = path if is_folder else ""
    wanted = sorted(
        name
        for name in names
        if _is_wanted(name, folder, format) and not (inside and name.startswith(inside))
    )
    if not wanted:
        *others, last = ENDINGS
        endings = f"{', '.join(others)} or {last}"
        raise ValueError(Errors.R852.format(path=url, count=len(names), endings=endings))
    return wanted


def _is_wanted(name: str, folder: str, format: Optional[str]) -> bool:
    """Whether a file that was not named itself is read."""
    parts = Path(name[len(folder) :]).parts if folder else (Path(name).name,)
    if any(part.startswith((".", "_")) for part in parts):
        return False
    try:
        return bool(format or format_of(name, ENDINGS))
    except ValueError:
        return False


def _state(system: Any, name: str) -> Tuple[int, Optional[str]]:
    """Size of a file, and when it was changed: None where its file system does not say, each in its
    own way."""
    try:
        modified = str(system.modified(name))
    except (NotImplementedError, AttributeError, KeyError):
        modified = None
    return int(system.size(name)), modified
