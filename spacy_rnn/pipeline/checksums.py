"""Checksums of what a component saves, which tell whether it has been damaged since.

SHA-256: `sha256sum -c checksums` checks a folder without this library, and a MB takes about a
millisecond. They are no signature, since whoever can change a file can change its checksum.
"""

import hashlib
from pathlib import Path
from typing import Any, Collection, Dict, Optional

import srsly

# The parts of a saved component.
PARTS = ("cfg", "model", "vocab")
# The file, or the entry of bytes, that has their checksums.
CHECKSUMS = "checksums"
# How components are saved. The first format, of versions before 0.8, has no checksums.
FIRST_FORMAT, FORMAT = 1, 2


def checksums_of(files: Dict[str, bytes]) -> str:
    """A line for each file, as `sha256sum` writes it. files: By name."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())


def find_damage(files: Dict[str, bytes], parts: Collection[str], checksums: bytes) -> Optional[str]:
    """Compare what was read of a component with its checksums.

    files: All files of some parts, by name. parts: Which parts: checksums of others do not count.
    checksums: Of `checksums_of`.
    RETURNS: The name of a file that is missing, or is not as it was saved; `CHECKSUMS` where it is
        the checksums themselves; None where all is well.
    """
    text = checksums.decode("utf8", "replace")
    lines = [line.partition("  ") for line in text.split("\n")[:-1]]
    saved = {name: checksum for checksum, _, name in lines}
    part_of = {name: name.split("/")[0] for name in saved}
    whole = text == "".join(f"{checksum}  {name}\n" for name, checksum in saved.items())
    if not whole or not set(part_of.values()) <= set(PARTS):
        return CHECKSUMS
    for name in {**saved, **files}:
        if name in files and saved.get(name) != hashlib.sha256(files[name]).hexdigest():
            return name
        if name not in files and part_of[name] in parts:
            return name
    return None


def read_part(folder: Path, part: str) -> Dict[str, bytes]:
    """The files of a part of a component that was saved to disk; none if there are no checksums."""
    if part == "vocab":
        paths = sorted((folder / part).glob("[!.]*"))
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    if part == CHECKSUMS and not (folder / part).exists():
        return {}
    data = (folder / part).read_bytes()
    # Programs such as git may give texts other line ends.
    return {part: data if part == "model" else data.replace(b"\r\n", b"\n")}


def part_of_bytes(msg: Dict[str, Any], part: str) -> Dict[str, bytes]:
    """As `read_part`, of a component that was saved to bytes. msg: What these hold."""
    if part == CHECKSUMS and part not in msg:
        return {}
    data = msg[part]
    return {part: data if isinstance(data, bytes) else data.encode("utf8")}


def write_checksums(folder: Path) -> None:
    """Write the checksums of a component that was saved to disk, as its files are now."""
    files: Dict[str, bytes] = {}
    for part in PARTS:
        if (folder / part).exists():
            files.update(read_part(folder, part))
    (folder / CHECKSUMS).write_bytes(checksums_of(files).encode("utf8"))


def add_checksums(data: bytes) -> bytes:
    """Add the checksums to a component that was saved to bytes."""
    msg: Any = srsly.msgpack_loads(data)
    files: Dict[str, bytes] = {}
    for part in PARTS:
        if part in msg:
            files.update(part_of_bytes(msg, part))
    return srsly.msgpack_dumps({**msg, CHECKSUMS: checksums_of(files)})
