"""`spacy-rnn convert-imdb`: film reviews to .spacy files."""

import tarfile
import tempfile
import zlib
from enum import Enum
from pathlib import Path
from typing import List, Optional

import spacy
import typer
from wasabi import msg

from ..corpus.imdb_reader import create_imdb_reader_v1
from ..corpus.movie_reviews_reader import create_movie_reviews_reader_v1
from ..corpus.text_cleaner import create_text_cleaner_v1
from ..errors import Errors
from ._app import app, errors_as_messages, write_docs

ARCHIVE = "aclImdb_v1.tar.gz"


class Split(str, Enum):
    train = "train"
    dev = "dev"
    test = "test"


@app.command("convert-imdb", short_help="25,000 film reviews to .spacy files.")
def convert_imdb(
    assets: Path = typer.Argument(
        ...,
        metavar="ASSETS",
        help=f"Folder that holds {ARCHIVE} or the unpacked aclImdb, or neither.",
    ),
    output: Path = typer.Argument(
        ...,
        metavar="OUTPUT",
        help="Folder for train.spacy and dev.spacy.",
    ),
    split: Optional[List[Split]] = typer.Option(
        None, help="What to write, all there is if not given. Can be given several times."
    ),
    limit: int = typer.Option(0, min=0, help="Number of reviews for each file, 0 for all."),
    seed: int = typer.Option(0, help="Seed of the order, and of the films in dev."),
    stop_words: bool = typer.Option(True, help="Keep stop words."),
) -> None:
    """Convert the 25,000 labelled training reviews of aclImdb to .spacy files.

    Where the archive is there, dev is split off by film and test.spacy is written too.
    Where it is not, the reviews come from the package `movie-reviews`, and dev is a
    block of 1,250 reviews of each class.
    """
    nlp = spacy.blank("en")
    clean = None if stop_words else create_text_cleaner_v1(stop_words=True)
    with errors_as_messages():
        folder = find_archive(assets)
        if folder is None and Split.test in (split or ()):
            raise ValueError(Errors.R612.format(archive=ARCHIVE, folder=assets))
        for part in split or (list(Split) if folder else [Split.train, Split.dev]):
            name = part.value
            if folder is not None:
                read = create_imdb_reader_v1(folder, name, seed=seed, limit=limit, clean=clean)
            else:
                read = create_movie_reviews_reader_v1(name, seed=seed, limit=limit, clean=clean)
            write_docs(read(nlp), output / f"{name}.spacy")


def find_archive(assets: Path) -> Optional[Path]:
    """The unpacked archive in a folder, unpacked now if need be, or None.

    RAISES: ValueError if the archive is damaged.
    """
    folder, archive = assets / "aclImdb", assets / ARCHIVE
    if not folder.exists() and archive.exists():
        msg.info(f"Unpacking {archive}")
        try:
            # The folder appears under its name when it is complete.
            with tarfile.open(archive) as tar, tempfile.TemporaryDirectory(dir=assets) as part:
                tar.extractall(part, filter="data")
                (Path(part) / folder.name).rename(folder)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise ValueError(Errors.R412.format(path=archive, error=error)) from error
    if folder.exists():
        msg.info(f"Reviews from {folder}, dev split by film")
        return folder
    msg.info(f"No {ARCHIVE} in {assets}: reviews from the package movie-reviews")
    return None
