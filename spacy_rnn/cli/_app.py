"""The typer application, and what its commands share."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Iterable, Iterator

import typer
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from tqdm import tqdm
from wasabi import msg

app = typer.Typer(
    name="spacy-rnn",
    help="Data for training recurrent spaCy components.",
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


def write_docs(examples: Iterable[Example], path: Path) -> None:
    """Write the reference documents of examples to a .spacy file, with a progress bar.

    The file appears under its name when it is complete.
    """
    docs = DocBin(store_user_data=False)
    for eg in tqdm(examples, desc=path.name, unit=" texts", disable=None, leave=False):
        doc = Doc(eg.reference.vocab, words=[t.text for t in eg.x], spaces=[bool(t.whitespace_) for t in eg.x])
        doc.cats = eg.reference.cats
        docs.add(doc)
    if not len(docs):
        raise ValueError(f"No texts to write to {path}.")
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
