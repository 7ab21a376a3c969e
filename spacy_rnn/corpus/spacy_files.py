"""Documents in spaCy's own format, .spacy."""

import zlib
from pathlib import Path
from typing import Iterator

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..errors import Errors
from .packed import BLOCK, MAX_GROWTH, MAX_OF_SMALL


def read_docs(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """The documents of a file.

    RAISES: ValueError if it cannot be read, or unpacks to more than `MAX_GROWTH` times its size.
    """
    try:
        data = path.read_bytes()
        _require_growth(data)
        yield from DocBin().from_bytes(data).get_docs(vocab)
    except Exception as error:  # Data that are damaged raise errors of many kinds.
        problem = f"{type(error).__name__}: {error}"
        raise ValueError(Errors.R625.format(path=path, problem=problem)) from error


def _require_growth(data: bytes) -> None:
    """Unpack data piece by piece, as spaCy does all at once."""
    left = max(len(data) * MAX_GROWTH, MAX_OF_SMALL)
    unpack = zlib.decompressobj()
    for start in range(0, len(data), BLOCK):
        block = data[start : start + BLOCK]
        while block:
            left -= len(unpack.decompress(block, 16 * BLOCK))
            block = unpack.unconsumed_tail
        if left < 0:
            raise ValueError(f"it unpacks to more than {MAX_GROWTH} times its size")
