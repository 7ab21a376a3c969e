"""Pipelines that are loaded to annotate with, and what tells one from another."""

import hashlib
from pathlib import Path
from typing import Any, Dict, Optional

import spacy
from spacy.language import Language

from ..errors import Errors

BLOCK = 2**20


def load_pipeline(model: str) -> Language:
    """Load a trained pipeline, from its folder or its package.

    RAISES: ValueError for the folder that `spacy train` has written pipelines into; as
        `spacy.load`.
    """
    check_model(model)
    return spacy.load(model)


def check_model(model: str) -> None:
    """RAISES: ValueError for the folder that `spacy train` has written pipelines into."""
    best = Path(model) / "model-best"
    if best.is_dir() and not (Path(model) / "meta.json").exists():
        raise ValueError(Errors.R621.format(path=model, best=best))


def identify(nlp: Language) -> Dict[str, Any]:
    """What tells a pipeline from others: its name and version, and a checksum of all its files.

    nlp: One that was loaded. RETURNS: A checksum of None for one without files.
    """
    meta = nlp.meta
    name = f"{meta['lang']}_{meta['name']}"
    return {"name": name, "version": meta["version"], "checksum": checksum_of(nlp.path)}


def checksum_of(folder: Optional[Path]) -> Optional[str]:
    """SHA-256 of the names and contents of all files in a folder, or None if there is none."""
    if folder is None or not folder.is_dir():
        return None
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
            total.update(f"{digest.hexdigest()}  {path.relative_to(folder).as_posix()}\n".encode())
    return total.hexdigest()
