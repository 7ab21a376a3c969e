"""The folder that annotations are written to."""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, List

from ..whole_file import move_whole, write_whole
from .addresses import is_local, locate, protocols_of

# Folders in which files are written before they are moved to their place.
UNFINISHED = ".annotate-"
# Of object stores, where a file that is put is there as a whole or not at all.
PUT_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss", "memory"}
PART = re.compile(r"part-\d{6,}\.(parquet|jsonl|csv)")
BAD = "_bad"


class OutputFolder:
    """The folder with the parts of an output, each of which is there as a whole or not at all.

    url: A path or URL. format: "parquet", "jsonl" or "csv".
    """

    def __init__(self, url: str, format: str) -> None:
        self.url = url
        self.format = format
        self.system, self.path = locate(url)
        self.local = is_local(self.system)

    def place(self, name: str) -> str:
        """Where a file of the folder is."""
        return f"{self.path.rstrip('/')}/{name}"

    def part_name(self, index: int) -> str:
        return f"part-{index:06d}.{self.format}"

    def bad_name(self, index: int) -> str:
        """Of the file of rows that could not be annotated."""
        return f"{BAD}/part-{index:06d}.jsonl"

    def is_file(self) -> bool:
        """Whether a file is where the folder should be."""
        return self.system.isfile(self.path)

    def names(self, folder: str = "") -> List[str]:
        """The names of all that is in the folder, or in a folder in it; none if there is none."""
        place = self.place(folder) if folder else self.path
        self.system.invalidate_cache()
        if not self.system.isdir(place):
            return []
        return [Path(name).name for name in self.system.ls(place, detail=False)]

    def read(self, name: str) -> bytes:
        return self.system.cat_file(self.place(name))

    def open(self, name: str) -> Any:
        return self.system.open(self.place(name), "rb")

    def write(self, name: str, data: bytes) -> None:
        """Write a small file as a whole."""
        if self.local:
            write_whole(Path(self.place(name)), data)
            return
        with self.scratch() as folder:
            path = Path(folder) / "file"
            path.write_bytes(data)
            self.publish(path, name)

    def scratch(self) -> Any:
        """A folder to write files in that are published then, removed at the end of the context:
        on the same disk as the output, or, if that is elsewhere, on this machine's."""
        place = self.path if self.local else None
        if place:
            os.makedirs(place, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=place, prefix=UNFINISHED)

    def publish(self, path: Path, name: str) -> None:
        """Let a complete file of `scratch` appear in the folder."""
        place = self.place(name)
        if self.local:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            move_whole(path, Path(place))
            return
        parent, _, base = place.rpartition("/")
        self.system.makedirs(parent, exist_ok=True)
        if PUT_WHOLE & set(protocols_of(self.system)):
            self.system.put_file(str(path), place)
            return
        unfinished = f"{parent}/{UNFINISHED}{base}"
        self.system.put_file(str(path), unfinished)
        self.system.mv(unfinished, place)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        if self.system.exists(self.place(name)):
            self.system.rm_file(self.place(name))

    def remove_unfinished(self) -> None:
        """Remove what processes have left that were killed."""
        for name in self.names() if self.local else ():
            if name.startswith(UNFINISHED):
                shutil.rmtree(self.place(name), ignore_errors=True)

    def done(self) -> List[int]:
        """The numbers of the parts that are there."""
        parts = [name for name in self.names() if PART.fullmatch(name)]
        return sorted(int(name.split(".")[0].split("-")[1]) for name in parts)

    def remove_parts(self) -> None:
        """Remove all parts, of whatever format, and all bad rows."""
        for name in self.names():
            if PART.fullmatch(name):
                self.remove(name)
        for name in self.names(BAD):
            if PART.fullmatch(name):
                self.remove(f"{BAD}/{name}")

    def count_bad(self, index: int) -> int:
        """How many rows of a part could not be annotated."""
        if not self.system.exists(self.place(self.bad_name(index))):
            return 0
        with self.open(self.bad_name(index)) as file:
            return sum(1 for _ in file)
