"""The file that a training goes on from."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional

from spacy.util import dict_to_dot
from thinc.api import Config

from ..errors import Errors
from ..whole_file import appears_whole
from .learning_state import Arrays

NAME = "checkpoint"
# The first line of a file, followed by a checksum of what follows that.
FIRST_LINE = b"spacy-rnn checkpoint 1\n"
DIGEST_BYTES = 32
# Settings that say when training ends, and nothing about the way until then.
LIMITS = ("training.max_steps", "training.max_epochs", "training.patience")
# What computes. Another version may compute another thing.
PACKAGES = ("spacy-rnn", "spacy", "thinc", "torch", "numpy")


class Checkpoint(NamedTuple):
    """All that a training goes on from.

    facts: JSON values by name. arrays: Weights, moments and averages by name.
    """

    facts: Dict[str, Any]
    arrays: Arrays

    def write(self, path: Path) -> None:
        """Write the file so that it is there as a whole, or as it was before."""
        from safetensors.numpy import save

        # Arrays and tensors, of random states and scores, become lists, and numpy's numbers
        # Python's.
        text = json.dumps(self.facts, default=lambda value: value.tolist())
        data = save(self.arrays, metadata={"facts": text})
        with appears_whole(path) as part, part.open("wb") as file:
            file.write(FIRST_LINE)
            file.write(_digest(data))
            file.write(data)

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Read the file.

        RAISES: OSError if it cannot be read; ValueError if it is damaged, or was written with other
            versions of what computes.
        """
        from safetensors.numpy import load

        found = path.read_bytes()
        start = len(FIRST_LINE) + DIGEST_BYTES
        data = found[start:]
        if found[:start] != FIRST_LINE + _digest(data):
            raise ValueError(Errors.R711.format(path=path))
        # Of safetensors: the length of the header, and the header.
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        checkpoint = cls(json.loads(header["__metadata__"]["facts"]), load(data))
        _check_versions(checkpoint.facts["versions"])
        return checkpoint

    def config(self, given: Optional[Config], overrides: Dict[str, Any]) -> Config:
        """The config to go on with.

        given: The config that training is asked to go on with, None for that of the checkpoint.
        overrides: Settings to go on with, by their dotted names.
        RAISES: ValueError if it differs from that of the checkpoint in more than when it ends.
        """
        saved = Config().from_str(self.facts["config"], interpolate=False)
        if given is None:
            given = Config().from_str(saved.to_str(), overrides=overrides, interpolate=False)
        before, after = (dict_to_dot(config) for config in (saved, given))
        for name in sorted({*before, *after}):
            old, new = (settings.get(name, "not there") for settings in (before, after))
            if old != new and not _is_limit(name, old, new):
                raise ValueError(Errors.R713.format(name=name, old=old, new=new, limits=LIMITS))
        return given


def versions() -> Dict[str, str]:
    """Of what computes."""
    return {name: version(name) for name in PACKAGES}


def _check_versions(found: Dict[str, str]) -> None:
    here = versions()
    for name in PACKAGES:
        if found.get(name) != here[name]:
            facts = {"name": name, "found": found.get(name), "here": here[name]}
            raise ValueError(Errors.R712.format(**facts))


def _is_limit(name: str, old: Any, new: Any) -> bool:
    """Whether a setting says no more than when training ends. With max_epochs = -1 texts are
    streamed, and not shuffled."""
    return name in LIMITS and (name != "training.max_epochs" or -1 not in (old, new))


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()
