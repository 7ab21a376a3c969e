"""The typer application, and what its commands share."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Iterable, Iterator, Sequence

import typer
from spacy.tokens import DocBin
from spacy.training import Example
from tqdm import tqdm
from wasabi import msg

from ..errors import Errors

# What a treebank annotates.
TREEBANK_ATTRS = ("ORTH", "TAG", "POS", "MORPH", "LEMMA", "HEAD", "DEP", "SENT_START")

app = typer.Typer(
    name="spacy-rnn",
    help="Data and vocabularies for recurrent spaCy components.",
    no_args_is_help=True,
    add_completion=False,
)


@contextlib.contextmanager
def errors_as_messages() -> Iterator[None]:
    """End the command with the message of an expected error, not with a traceback."""
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        msg.fail(str(error), exits=1)


def write_docs(
    examples: Iterable[Example], path: Path, *, attrs: Sequence[str] = ("ORTH",)
) -> None:
    """Write the reference documents of examples to a .spacy file, with a progress bar.

    The file appears under its name when it is complete.

    attrs: The attributes of tokens to write.
    """
    docs = DocBin(attrs=attrs)
    for eg in tqdm(examples, desc=path.name, unit=" texts", disable=None, leave=False):
        docs.add(eg.reference)
    if not len(docs):
        raise ValueError(Errors.R405.format(path=f"The corpus for {path}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, docs.to_bytes())
    msg.good(f"{len(docs)} texts to {path}")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there as a whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
