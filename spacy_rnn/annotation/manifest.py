"""What an output was made of and how, by which another run knows whether it can go on."""

import json
from typing import Any, Dict, Iterator, List, Sequence

import spacy

from .. import __version__
from ..errors import Errors
from .inputs import InputFile
from .output_folder import OutputFolder
from .partitions import Partition, partition_from_json

MANIFEST = "_annotate.json"
PARTITIONS = "_partitions.jsonl"
# What differs is said of so many places.
SHOWN = 3


def make_manifest(
    model: Dict[str, Any], inputs: Sequence[InputFile], settings: Dict[str, Any]
) -> Dict[str, Any]:
    """What makes the output what it is.

    model: What tells the pipeline from others. settings: All that changes what is written.
    """
    files = {file.path: {**file._asdict(), "path": file.path} for file in inputs}
    versions = {"spacy-rnn": __version__, "spacy": spacy.__version__}
    return {"model": model, "versions": versions, "settings": settings, "inputs": files}


def check_output(output: OutputFolder, manifest: Dict[str, Any], *, overwrite: bool) -> bool:
    """Whether an output was begun before that this run can go on with.

    overwrite: Remove it instead.
    RAISES: ValueError for a file or folder of something else, for an output that was begun in
        another way, and for one that is damaged.
    """
    output.remove_unfinished()
    names = output.names()
    if MANIFEST not in names:
        if names or output.is_file():
            raise ValueError(Errors.R855.format(path=output.url))
        return False
    if overwrite:
        # In this order: without its manifest, the folder would be one of something else.
        output.remove_parts()
        output.remove(PARTITIONS)
        output.remove(MANIFEST)
        return False
    found = list(_differences(_read_manifest(output), json.loads(json.dumps(manifest))))
    if found:
        shown = "; ".join(found[:SHOWN]) + ("; ..." if found[SHOWN:] else "")
        raise ValueError(Errors.R856.format(path=output.url, found=shown))
    return True


def _read_manifest(output: OutputFolder) -> Dict[str, Any]:
    try:
        found = json.loads(output.read(MANIFEST))
        if not isinstance(found, dict):
            raise ValueError("no object of JSON")
        return found
    except ValueError as error:
        path = output.place(MANIFEST)
        raise ValueError(Errors.R862.format(path=path, problem=error)) from error


def _differences(old: Any, new: Any, name: str = "") -> Iterator[str]:
    """Where two manifests differ, in words."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            inner = f"{name} {key}".strip()
            if key not in new:
                yield f"{inner} is missing now"
            elif key not in old:
                yield f"{inner} is new"
            else:
                yield from _differences(old[key], new[key], inner)
    elif old != new:
        yield f"{name} was {old}, and is {new} now"


def write_manifest(
    output: OutputFolder, manifest: Dict[str, Any], partitions: Sequence[Partition]
) -> None:
    """Write what the output is made of, the manifest last."""
    lines = "".join(partition.to_json() + "\n" for partition in partitions)
    output.write(PARTITIONS, lines.encode("utf8", "backslashreplace"))
    data = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    output.write(MANIFEST, data.encode("utf8", "backslashreplace"))


def read_partitions(output: OutputFolder) -> List[Partition]:
    """The partitions of an output that was begun. RAISES: ValueError if they cannot be read."""
    try:
        lines = output.read(PARTITIONS).decode("utf8").splitlines()
        return [partition_from_json(line) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        path = output.place(PARTITIONS)
        raise ValueError(Errors.R862.format(path=path, problem=error)) from error
